// The page: the golden frames first, then whatever picture, video or camera it is given.
import { readGolden } from "./golden.js";
import { loadNetwork, threads, version } from "./network.js";
import { buildScreen, describe, find, say } from "./screen.js";
import { openCamera, openFile, openFrame, readFrame, sizesFor } from "./sources.js";

const COMFORT = { still: 1.1e6, moving: 2e5 }; // pixels of the size that is chosen at first
const screenFollows = () => new Promise((done) => setTimeout(done, 16));

let facts, run, show, current;
let times = [];

const ready = prepare();
ready.then(begin).catch((error) => {
  if (!find("agreement").className) Object.assign(find("agreement"), { textContent: "not compared with Python", className: "other" });
  say(error.message, true);
});
listen(find("file"), "change", (event) => presentFile(event.target.files[0]));
listen(find("camera"), "click", async () => present(await openCamera(), find("camera")));
listen(find("size"), "change", () => current.moving || label(current));
for (const kind of ["dragover", "dragleave", "drop"]) {
  listen(document, kind, (event) => {
    event.preventDefault();
    find("view").classList.toggle("dropping", kind === "dragover");
    return kind === "drop" && presentFile(event.dataTransfer.files[0]);
  });
}

/** Load what is needed before anything can be shown; the golden frames. */
async function prepare() {
  facts = await (await load("model.json")).json();
  describe(facts, `ONNX Runtime ${version}, ${threads === 1 ? "one thread" : `${threads} threads`}`);
  show = buildScreen(facts.classes);
  say("Loading the network…");
  await screenFollows();
  const file = await load("golden.npz");
  run = await loadNetwork();
  return readGolden(await file.arrayBuffer());
}

async function begin(golden) {
  const buttons = golden.map((frame, i) => addFrame(openFrame(`frame${i + 1}`, frame)));
  await judge(golden);
  const asked = new URLSearchParams(location.search).get("picture"); // a file of this folder to begin with
  if (asked) await present(await openFile(await (await load(asked)).blob(), asked));
  else if (!current) buttons[0].click();
}

/** Run the golden frames and say how many pixels get the class that they get in Python. */
async function judge(golden) {
  let same = 0, all = 0;
  for (const [i, frame] of golden.entries()) {
    if (!current) say(`Comparing with Python, frame ${i + 1} of ${golden.length}…`);
    await screenFollows();
    const labels = await run(frame);
    if (!current) show(openFrame("", frame), frame, labels);
    for (let p = 0; p < labels.length; p++) same += labels[p] === frame.labels[p];
    all += labels.length;
  }
  find("agreement").textContent = `same as Python: ${Math.floor((1e5 * same) / all) / 1e3} %`;
  find("agreement").className = same >= facts.least_agreement * all ? "same" : "other";
}

/** Make a source the one that is shown; follow it while it moves. */
async function present(source, button) {
  await ready;
  current?.close();
  current = source;
  times = [];
  for (const other of document.querySelectorAll("#frames button, #camera")) other.ariaPressed = String(other === button);
  offerSizes(source);
  find("save").hidden = source.moving;
  do {
    if (!source.moving) say("Labelling…");
    await screenFollows();
    if (source === current) await label(source);
  } while (source.moving && source === current);
}

const presentFile = async (file) => file && present(await openFile(file));

async function label(source) {
  const begin = performance.now();
  const frame = readFrame(source, JSON.parse(find("size").value));
  const labels = await run(frame);
  if (source !== current) return;
  times = [...times.slice(-14), performance.now() - begin];
  const median = [...times].sort((a, b) => a - b)[times.length >> 1];
  find("ms").textContent = median ? median.toFixed(0) : "–"; // the clock may stand still
  find("fps").textContent = median ? (1000 / median).toFixed(1) : "–";
  show(source, frame, labels);
  if (!source.moving) offerLabels(source.name, frame, labels);
  say("");
}

function offerSizes(source) {
  const sizes = sizesFor(source, facts);
  const most = source.moving ? COMFORT.moving : COMFORT.still;
  const chosen = Math.max(0, sizes.findIndex(([height, width]) => height * width <= most));
  const options = sizes.map(([height, width], i) => new Option(`${width} × ${height}`, `[${height},${width}]`, false, i === chosen));
  find("size").replaceChildren(...options);
  find("size").disabled = sizes.length === 1;
}

/** The label map as task=predict writes it: the number of each pixel's class, as a PNG. */
function offerLabels(name, { height, width }, labels) {
  const gray = new Uint8Array(3 * labels.length);
  for (let i = 0; i < labels.length; i++) gray.fill(labels[i], 3 * i, 3 * i + 3);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").drawImage(openFrame("", { pixels: gray, height, width }).image, 0, 0);
  Object.assign(find("save"), { href: canvas.toDataURL(), download: `${name.replace(/\.[^.]*$/, "")}_labels.png` });
}

function addFrame(source) {
  const button = document.createElement("button"), canvas = document.createElement("canvas");
  Object.assign(canvas, { width: 320, height: Math.round((320 * source.height) / source.width) });
  canvas.getContext("2d").drawImage(source.image, 0, 0, canvas.width, canvas.height);
  Object.assign(button, { type: "button", ariaLabel: source.name });
  button.append(canvas);
  find("frames").append(button);
  listen(button, "click", () => present(source, button));
  return button;
}

/** What goes wrong in answer to an event is said on the page. */
function listen(target, event, work) {
  target.addEventListener(event, (...args) => Promise.resolve(work(...args)).catch((error) => say(error.message, true)));
}

async function load(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return response;
}
