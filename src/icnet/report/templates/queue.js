// A queue of regions: shows one after the other, keeps the answers in the browser and in answers.json.
const queue = JSON.parse(find("queue").textContent);
const colors = Object.fromEntries(queue.classes.map((name, i) => [name, `rgb(${queue.colors[i].join(" ")})`]));
const WORDS = { label: "the label is wrong", network: "the network is wrong", unsure: "unsure" };
const KEYS = { 1: "label", 2: "network", 3: "unsure" };
const STORE = `icnet-queue-${queue.queue}`;

let answers = recall(); // by place in the queue
let history = []; // places with what was answered there before
let at = Math.max(0, queue.regions.findIndex((_, i) => !answers[i]));

for (const button of document.querySelectorAll("[data-answer]")) button.onclick = () => answer(button.dataset.answer);
const commands = { back: () => move(-1), forth: () => move(1), undo, outline: toggleOutline, save };
for (const [id, run] of Object.entries(commands)) find(id).onclick = run;
find("load").onchange = (event) => load(event.target.files[0]).finally(() => (event.target.value = ""));
const byKey = { ArrowLeft: commands.back, ArrowRight: commands.forth, u: undo, o: toggleOutline, s: save, l: () => find("load").click() };
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (KEYS[key]) answer(KEYS[key]);
  else if (byKey[key]) byKey[key]();
  else return;
  event.preventDefault();
});
show();

function find(id) {
  return document.getElementById(id);
}

/** Draw the region at hand. */
function show() {
  const region = queue.regions[at];
  const count = Object.keys(answers).length, total = queue.regions.length;
  find("left").textContent = `${count} of ${total} answered, ${total - count} left`;
  find("done").style.width = `${total ? (100 * count) / total : 100}%`;
  if (!region) return find("pair").replaceChildren("Nothing is doubted here");
  find("pair").replaceChildren("Labelled ", named(region.label), ", seen as ", named(region.prediction));
  find("about").textContent =
    `${at + 1} of ${total} · ${region.frame} · ${region.pixels.toLocaleString("en")} pixels · label doubted by ` +
    `${(100 * region.confidence).toFixed(2)}\u00a0%` + (answers[at] ? ` · answered: ${WORDS[answers[at]]}` : "");
  find("says-label").replaceChildren(named(region.label));
  find("says-prediction").replaceChildren(named(region.prediction));
  for (const view of ["image", "label", "prediction"]) find(view).src = region.pictures[view];
  const [top, left, height, width] = region.window;
  for (const svg of document.querySelectorAll("svg")) {
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    for (const path of svg.children) path.setAttribute("d", trace(region, top, left));
  }
  document.querySelector(".queue-views").style.setProperty("--ratio", width / height);
  document.querySelector(".queue-views").classList.toggle("wide", width > 1.5 * height);
  find("legend").replaceChildren(...region.seen.map((name) => named(name, "li")));
  for (const button of document.querySelectorAll("[data-answer]"))
    button.setAttribute("aria-pressed", String(button.dataset.answer === answers[at]));
}

/** A class with its colour. */
function named(name, tag = "span") {
  const swatch = Object.assign(document.createElement("i"), { className: "swatch" });
  swatch.style.background = colors[name];
  const word = document.createElement(tag);
  word.append(swatch, name);
  return word;
}

/** The edges of the region's pixels as a path, seen from the corner of the window. */
function trace(region, fromTop, fromLeft) {
  const [top, left, height, width] = region.box;
  const inside = new Uint8Array(height * width);
  region.runs.reduce((start, length, i) => (i % 2 && inside.fill(1, start, start + length), start + length), 0);
  const has = (y, x) => y >= 0 && x >= 0 && y < height && x < width && inside[y * width + x] === 1;
  const parts = [];
  for (let y = 0; y <= height; y++)
    for (let x = 0; x <= width; x++) {
      const place = `M${x + left - fromLeft} ${y + top - fromTop}`;
      if (x < width && has(y, x) !== has(y - 1, x)) parts.push(`${place}h1`);
      if (y < height && has(y, x) !== has(y, x - 1)) parts.push(`${place}v1`);
    }
  return parts.join("");
}

function answer(verdict) {
  if (!queue.regions[at]) return;
  history.push([at, answers[at]]);
  answers[at] = verdict;
  const next = queue.regions.findIndex((_, i) => i > at && !answers[i]);
  at = next < 0 ? Math.min(at + 1, queue.regions.length - 1) : next;
  show();
  say(Object.keys(answers).length === queue.regions.length ? "All are answered: save answers.json with S." : "");
  keep();
}

function move(step) {
  at = Math.max(0, Math.min(queue.regions.length - 1, at + step));
  show();
}

function undo() {
  if (!history.length) return say("There is nothing to undo.");
  const [place, before] = history.pop();
  if (before) answers[place] = before;
  else delete answers[place];
  at = place;
  keep();
  show();
}

function toggleOutline() {
  document.body.classList.toggle("bare");
}

/** What task=prepare task.apply reads. */
function save() {
  const { regions, most, colors: _, ...about } = queue;
  const given = regions.flatMap(({ pictures, window, seen, ...region }, i) => (answers[i] ? [{ ...region, answer: answers[i] }] : []));
  const file = new Blob([JSON.stringify({ ...about, answers: given }, null, 1)], { type: "application/json" });
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: "answers.json" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1e4); // the browser reads it in the meantime
  say(`${given.length} answers are saved in answers.json.`);
}

/** Go on with the answers of a file. */
async function load(file) {
  if (!file) return;
  try {
    const content = JSON.parse(await file.text());
    if (content.queue !== queue.queue) throw new Error("it belongs to another queue");
    const key = ({ frame, box, label, prediction }) => JSON.stringify([frame, box, label, prediction]);
    const told = new Map(content.answers.map((row) => [key(row), row.answer]));
    queue.regions.forEach((region, i) => WORDS[told.get(key(region))] && (answers[i] = told.get(key(region))));
    history = [];
    at = Math.max(0, queue.regions.findIndex((_, i) => !answers[i]));
    show();
    say(`${told.size} answers are loaded.`);
    keep();
  } catch (error) {
    say(`${file.name} is not loaded: ${error.message}`);
  }
}

function keep() {
  try {
    localStorage.setItem(STORE, JSON.stringify(answers));
  } catch {
    say("This browser keeps nothing: save answers.json before you close the page.");
  }
}

function recall() {
  try {
    return JSON.parse(localStorage.getItem(STORE)) ?? {};
  } catch {
    return {};
  }
}

function say(words) {
  find("said").textContent = words;
}
