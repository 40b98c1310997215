"use strict";
// What is shown, and the small helpers. All text from data goes through textContent or plain(), never through innerHTML.
const page = JSON.parse(document.getElementById("data").textContent);
const LAST = 0;  // the first selection: the last step
const BUDGET = "budget";  // every method at its last step within the same compute
const MOST_DRAWN = 12, MOST_BUDGETS = 400;
const state = { view: 0, selection: LAST, step: 0, budgets: [], budget: 0, hidden: new Set(), sort: { key: "delta", down: true } };
const byId = (id) => document.getElementById(id);
const view = () => page.views[state.view];
const selected = () => (typeof state.selection === "number" ? page.selections[state.selection] : null);
const shown = () => view().rows.filter((row) => !state.hidden.has(row.label));
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colourOf = (row) => page.looks[row.look].colour || css("--fg");

function make(tag, attributes, ...children) {
  const spaced = ["svg", "line", "circle", "path"].includes(tag);
  const node = spaced ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Plotly reads a little HTML in its texts: what comes from data must not be taken for it.
const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function number(value, digits, signed) {
  if (value === null || value === undefined) return "–";
  const text = value.toFixed(digits);
  const zero = Number(text) === 0 ? text.replace("-", "") : text;
  return signed && !zero.startsWith("-") ? "+" + zero : zero;
}

function valueAt(series, step) {
  for (let place = step; place >= 0; place--) if (series[place] !== null && series[place] !== undefined) return series[place];
  return null;
}

// A row as a slider or the selection reads it: {step, values, delta, over}.
function read(row) {
  if (state.selection === BUDGET) return readWithin(row, state.budgets[state.budget]);
  if (state.selection === null) return readAt(row, state.step);
  const found = row.readings[state.selection];
  return found ? { step: found.step, values: found.values, delta: found.delta, over: found.over_bn } : readAt(row, null);
}

function readAt(row, place) {
  if (!row.survivors || place === null) return { step: null, values: view().metrics.map(() => null), delta: null, over: null };
  const all = row.curves.map((curve) => valueAt(curve.mean, place));
  const over = row.over_bn.length ? valueAt(row.over_bn[row.over_bn.length - 1].mean, place) : null;
  return { step: view().steps[place], values: all.slice(0, -1), delta: all[all.length - 1], over };
}

// As `report --budget`: the control is read within the budget too, which may be at another step.
function readWithin(row, budget) {
  const place = within(row, budget), at = readAt(row, place), control = view().rows.find((each) => each.method === "bn");
  if (at.over === null || !control || within(control, budget) === null) return at;
  const ends = [place, within(control, budget)].map((end) => valueAt(control.curves[control.curves.length - 1].mean, end));
  return { ...at, over: ends.includes(null) ? null : at.over + ends[0] - ends[1] };
}

// The place of a row's last step whose updates cost at most so much; null where nobody knows what they cost.
function within(row, budget) {
  if (row.work === null) return null;
  const spent = view().work[row.work];
  let place = 0;
  while (place + 1 < spent.length && spent[place + 1] <= budget + 1e-9) place++;
  return place;
}

// What the slider of equal compute goes through: what some method's updates cost up to some step.
function budgetsOf() {
  const all = [...new Set(view().work.flat())].sort((a, b) => a - b);
  if (all.length <= MOST_BUDGETS) return all;
  return Array.from({ length: MOST_BUDGETS }, (_, i) => all[Math.round(i * (all.length - 1) / (MOST_BUDGETS - 1))]);
}
const times = (budget) => `${Number(budget.toPrecision(3))}x`;

function hideMany() {
  state.hidden.clear();
  const rows = view().rows;
  if (rows.length <= MOST_DRAWN + 2) return;
  const best = rows.filter((row) => !row.control).sort((a, b) => last(b) - last(a)).slice(0, MOST_DRAWN);
  for (const row of rows) if (!row.control && !best.includes(row)) state.hidden.add(row.label);
}
const last = (row) => (row.readings[LAST] && row.readings[LAST].delta !== null ? row.readings[LAST].delta : -Infinity);

async function unpack(id) {
  if (!("DecompressionStream" in window)) throw new Error("This browser is too old to unpack the page's parts.");
  const text = atob(byId(id).textContent), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);  // two million: a callback for each takes too long
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

let telling;
function tell(text) {
  byId("told").textContent = text;
  clearTimeout(telling);
  telling = setTimeout(() => { byId("told").textContent = ""; }, 2500);
}

function swatch(row) {
  const dash = page.looks[row.look].dash;
  return make("svg", { class: "swatch", viewBox: "0 0 32 16", "aria-hidden": "true" },
    make("line", { x1: 1, x2: 31, y1: 8, y2: 8, stroke: page.looks[row.look].colour || "currentColor", "stroke-width": 3,
      "stroke-dasharray": dash === "solid" ? false : dash.replace(/px/g, "") }));
}
