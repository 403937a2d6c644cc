// What is seen: the picture, the label map over it, the legend with the share of each class.

export const find = (id) => document.getElementById(id);
const picture = find("picture"), overlay = find("labels"), view = find("view"), caption = find("class");

/** The legend of the classes {names, colors}; `show(source, frame, labels)` draws a picture with its label map. */
export function buildScreen({ names, colors }) {
  const entries = names.map((name, i) => addEntry(name, colors[i]));
  let shown = null;
  entries.forEach(({ button }) => button.addEventListener("click", () => {
    button.ariaPressed = button.ariaPressed === "true" ? "false" : "true";
    if (shown) paint(shown.frame, shown.labels);
  }));
  view.addEventListener("pointermove", (event) => nameClass(event, shown, names));
  view.addEventListener("pointerleave", () => { caption.hidden = true; });
  find("opacity").addEventListener("input", (event) => { overlay.style.opacity = event.target.value / 100; });

  function paint({ height, width }, labels) {
    resize(overlay, width, height);
    const image = new ImageData(width, height), rgba = new Uint32Array(image.data.buffer);
    const words = colors.map(([r, g, b], i) => (entries[i].button.ariaPressed === "true" ? (255 << 24) | (b << 16) | (g << 8) | r : 0));
    for (let i = 0; i < labels.length; i++) rgba[i] = words[labels[i]];
    overlay.getContext("2d").putImageData(image, 0, 0);
  }

  return function show(source, frame, labels) {
    shown = { frame, labels };
    resize(picture, source.width, source.height);
    picture.getContext("2d").drawImage(source.image, 0, 0);
    paint(frame, labels);
    const counts = new Uint32Array(256);
    for (let i = 0; i < labels.length; i++) counts[labels[i]]++;
    entries.forEach(({ button, output }, i) => {
      const share = counts[i] / labels.length;
      button.style.setProperty("--share", share);
      output.textContent = share ? `${(100 * share).toFixed(1)} %` : "";
    });
  };
}

/** What the file says of itself. */
export function describe({ exit, precision, parameters, certificate }, engine) {
  find("engine").textContent = `${engine}, WebAssembly`;
  const millions = (parameters / 1e6).toFixed(1);
  let proof = "This file is not certified: nobody compared it with its checkpoint on data.";
  if (certificate.metrics) {
    const { metrics, protocol } = certificate;
    proof = `Certified on ${protocol.images} frames of ${protocol.data} (${protocol.split}): mIoU ${(100 * metrics.miou).toFixed(2)}, its checkpoint ${(100 * metrics.checkpoint_miou).toFixed(2)}.`;
  }
  find("certificate").textContent = `ICNet (${exit}), ${millions} million parameters in ${precision}. ${proof}`;
}

/** What happens, in a few words; nothing clears it. */
export function say(words, wrong = false) {
  find("state").textContent = words;
  find("state").classList.toggle("wrong", wrong);
}

function addEntry(name, color) {
  const item = document.createElement("li"), button = document.createElement("button");
  const [swatch, label, output] = ["i", "span", "output"].map((kind) => document.createElement(kind));
  label.textContent = name;
  button.type = "button";
  button.ariaPressed = "true";
  button.style.setProperty("--color", `rgb(${color})`);
  button.append(swatch, label, output);
  item.append(button);
  find("legend").append(item);
  return { button, output };
}

function nameClass(event, shown, names) {
  const box = overlay.getBoundingClientRect(), { width, height } = overlay;
  const scale = Math.min(box.width / width, box.height / height); // object-fit: contain
  const x = Math.floor((event.clientX - box.left - (box.width - scale * width) / 2) / scale);
  const y = Math.floor((event.clientY - box.top - (box.height - scale * height) / 2) / scale);
  caption.hidden = !shown || x < 0 || y < 0 || x >= width || y >= height;
  if (caption.hidden) return;
  caption.textContent = names[shown.labels[y * width + x]];
  caption.style.left = `${event.clientX - box.left}px`;
  caption.style.top = `${event.clientY - box.top}px`;
}

function resize(canvas, width, height) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}
