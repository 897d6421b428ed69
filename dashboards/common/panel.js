const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function tick(root) {
  const now = Date.now() / 1000 + root.unievSkew;
  for (const node of root.querySelectorAll("time[data-at]")) {
    const age = Math.max(0, now - Number(node.dataset.at));
    const [unit, size] = UNITS.find(([, seconds]) => age >= seconds) || UNITS[3];
    const stale = node.dataset.stale && age > Number(node.dataset.stale);
    const words = root.unievWords;
    const text = words[unit].replace("{n}", Math.floor(age / size)) + (stale ? " · " + words.old : "");
    if (node.textContent !== text) node.textContent = text;
    node.classList.toggle("stale", Boolean(stale));
  }
}

function open(event, root) {
  const link = event.target.closest("a[data-go]");
  if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  root.unievSend("go", link.getAttribute("href"));
}

function copy(event) {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const area = document.createElement("textarea");
  area.value = button.dataset.copy;
  area.style.position = "fixed";
  document.body.appendChild(area);
  area.select();
  document.execCommand("copy"); // works without HTTPS, unlike navigator.clipboard
  area.remove();
  button.textContent = button.dataset.done;
}

// Replace the content but keep what the reader has opened and where the focus is.
function replace(root, html) {
  const opened = new Set([...root.querySelectorAll("details[open][id]")].map((node) => node.id));
  const focus = root.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  root.innerHTML = html;
  for (const id of opened) root.querySelector(`details[id="${CSS.escape(id)}"]`)?.setAttribute("open", "");
  if (focus) root.querySelector(`a[href="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
}

const typing = (node) => node?.closest?.("input, textarea, select, [contenteditable]");

// The first link of every row of a list, in the order of the page.
const rows = () => [...document.querySelectorAll(".uv tbody tr, .uv .event, .uv .card")]
  .map((row) => (row.matches("a[data-go]") ? row : row.querySelector("a[data-go]")))
  .filter((link) => link?.offsetParent);

function step(by) {
  const links = rows();
  const here = links.indexOf(document.activeElement);
  const next = links[here < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(here + by, 0), links.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function toSearch() {
  const field = document.querySelector('[class*="st-key-search_"] input')
    ?? document.querySelector(".st-key-choose_station input");
  field?.focus();
  return Boolean(field);
}

const help = () => document.querySelector(".st-key-show_keys button")?.click();
const PRESSED = { "/": toSearch, "?": help, j: () => step(1), k: () => step(-1) };

// Keys that no button has; `keys.py` lists them. Escape leaves a search field, and the wall.
function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && !document.querySelector('[role="dialog"]')) {
    if (typing(document.activeElement)) document.activeElement.blur();
    else document.querySelector(".uv .wall a.leave")?.click();
  } else if (PRESSED[event.key] && !typing(event.target) && PRESSED[event.key]() !== false) event.preventDefault();
}

// A page that nobody touches looks after itself: data that stay old are a reason to load it again.
function mind(root) {
  const wall = root.querySelector("[data-reload]");
  const at = wall?.querySelector("time[data-at]");
  if (at && Date.now() / 1000 + root.unievSkew - Number(at.dataset.at) > Number(wall.dataset.reload)) location.reload();
}

export default function ({ data, parentElement, setTriggerValue }) {
  let root = parentElement.querySelector(":scope > .uv");
  if (!root) {
    root = document.createElement("div");
    root.className = "uv";
    root.addEventListener("click", (event) => { open(event, root); copy(event); });
    parentElement.appendChild(root);
  }
  root.unievSend = setTriggerValue;
  root.unievWords = data.words;
  root.unievSkew = data.now - Date.now() / 1000;
  if (root.unievHtml !== data.html) {
    replace(root, data.html);
    root.unievHtml = data.html;
  }
  tick(root);
  const timer = setInterval(() => { tick(root); mind(root); }, 1000);
  document.addEventListener("keydown", press); // the same function: added once, however many panels
  return () => clearInterval(timer);
}
