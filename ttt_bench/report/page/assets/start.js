// Controls, and what happens when one of them is used.
function showView() {
  state.step = view().steps.length - 1;
  byId("step").max = state.step;
  state.budgets = budgetsOf();
  state.budget = byId("budget").max = state.budgets.length - 1;
  const one = state.budgets.length < 2;
  byId("budget-slide").hidden = byId("read-budget").hidden = one;
  if (one && state.selection === BUDGET) state.selection = LAST;
  hideMany();
  buildBoard();
  clearCharts();
  addCurves();
  addPoints();
  addDrift();
  showSections();
  buildPictures();
  listLosses();
  listTables();
  listFacets();
  buildLegend();
  listParts();
  showReading();
}

function listParts() {
  const parts = new Map();  // sections of one part are found by the first of them
  for (const section of document.querySelectorAll("section[data-part]"))
    if (!section.hidden && !parts.has(section.dataset.part)) parts.set(section.dataset.part, section);
  byId("parts").replaceChildren(...[...parts].map(([name, section]) => make("a", { href: "#" + section.id }, name)));
}

function showReading() {
  byId("step").value = state.step;
  const said = `${view().steps[state.step]} of ${view().steps[view().steps.length - 1]}`;
  byId("step-said").textContent = said;
  byId("step").setAttribute("aria-valuetext", "step " + said);
  if (state.budgets.length) {
    byId("budget").value = state.budget;
    byId("budget-said").textContent = "within " + times(state.budgets[state.budget]);
    byId("budget").setAttribute("aria-valuetext", byId("budget-said").textContent);
  }
  for (const box of byId("readings").querySelectorAll("input")) box.checked = box.value === String(state.selection);
  orderBoard();
  remark();
}

function toggle(label) {
  if (!state.hidden.delete(label)) state.hidden.add(label);
  showHidden();
}

function showHidden() {
  for (const each of lines) each.box.checked = !state.hidden.has(each.row.label);
  for (const button of byId("legend").querySelectorAll("button[data-label]"))
    button.setAttribute("aria-pressed", String(!state.hidden.has(button.dataset.label)));
  redraw();
}

function buildLegend() {
  const rows = view().rows;
  byId("legend").replaceChildren(
    ...rows.map((row) => make("button", { type: "button", "data-label": row.label, "aria-pressed": String(!state.hidden.has(row.label)), title: row.label,
      onclick: () => toggle(row.label) }, swatch(row), make("span", {}, row.label))),
    make("button", { type: "button", onclick: () => { state.hidden.clear(); showHidden(); } }, "all"),
    make("button", { type: "button", onclick: () => { for (const row of rows) if (!row.control) state.hidden.add(row.label); showHidden(); } }, "controls only"));
}

function listFacets() {
  byId("facets").replaceChildren(...page.facets.flatMap((facet, place) => facet.values.length < 2 ? [] : [
    make("label", {}, facet.name, make("select", { "data-facet": facet.name, onchange: (event) => choose(place, event.target.value) },
      ...facet.values.map((value) => make("option", { value, selected: view().facets[place] === value }, value))))]));
}

// The view that has the wanted value and otherwise most in common with the present one.
function choose(place, value) {
  const alike = (each) => each.facets.filter((other, i) => other === view().facets[i]).length;
  const able = page.views.filter((each) => each.facets[place] === value).sort((a, b) => alike(b) - alike(a));
  state.view = page.views.indexOf(able[0]);
  showView();
  const select = byId("facets").querySelector(`[data-facet="${page.facets[place].name}"]`);
  if (select) select.focus();
}

function buildReadings() {
  const radio = (value, title, oracle, rule) => make("label", { class: oracle ? "oracle" : false, title: rule, id: "read-" + value }, make("input", { type: "radio", name: "reading", value: String(value),
    onchange: () => { state.selection = value; if (value === LAST) state.step = view().steps.length - 1; showReading(); } }), " " + title);
  byId("readings").append(...page.selections.map((s, i) => radio(i, s.title, s.oracle, s.rule)), radio(null, "the slider's step", false, "every method at the same step"),
    radio(BUDGET, "equal compute", false, "every method at its last step within the same compute"));
}

let waiting = false;
function slide(id, selection, change) {
  byId(id).addEventListener("input", () => {
    change(Number(byId(id).value));
    state.selection = selection;
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; showReading(); });
  });
}
slide("step", null, (place) => { state.step = place; });
slide("budget", BUDGET, (place) => { state.budget = place; });

let playing = null;
byId("play").addEventListener("click", () => {
  const stop = () => { clearInterval(playing); playing = null; byId("play").textContent = "▶"; byId("play").setAttribute("aria-label", "Play the steps"); };
  if (playing) return stop();
  state.selection = null;
  if (state.step === view().steps.length - 1) state.step = 0;
  byId("play").textContent = "❚❚";
  byId("play").setAttribute("aria-label", "Pause");
  const pace = Math.max(120, 4000 / view().steps.length);
  playing = setInterval(() => { if (state.step >= view().steps.length - 1) return stop(); state.step += 1; showReading(); }, pace);
  showReading();
});

// Themes: the system's until somebody chooses; paper is always light.
const dark = matchMedia("(prefers-color-scheme: dark)");
let chosen = "auto";
function applyTheme(printing) {
  const theme = printing ? "light" : chosen === "auto" ? (dark.matches ? "dark" : "light") : chosen;
  document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Theme: ${chosen}`;
  redraw();
}
byId("theme").addEventListener("click", () => { chosen = { auto: "light", light: "dark", dark: "auto" }[chosen]; applyTheme(false); });
dark.addEventListener("change", () => applyTheme(false));
addEventListener("beforeprint", () => { applyTheme(true); charts.forEach(draw); });
addEventListener("afterprint", () => applyTheme(false));

applyTheme(false);
buildReadings();
showView();
unpack("packed-library").then((source) => {
  document.head.append(make("script", {}, source));
  ready = true;
  for (const chart of charts) if (chart.seen) draw(chart);
  document.documentElement.dataset.ready = "true";
}).catch((error) => { tell(error.message); });
