// The leaderboard: rows are made once for a view, then moved and rewritten.
let lines = [];

function columns() {
  const metrics = view().metrics.map((m, i) => ({
    key: "m" + i, head: m.head, better: m.better, live: true, of: (row, at) => at.values[i], show: (v) => number(v, m.digits) }));
  const several = view().metrics.length > 1;
  return [
    ...metrics,
    { key: "delta", head: "Δ (%) ↑", better: 1, live: true, of: (row, at) => at.delta, show: (v) => number(v, 2, true) },
    { key: "over", head: "Δ−bn ↑", better: 1, live: true, of: (row, at) => at.over, show: (v) => number(v, 2, true) },
    { key: "interval", head: "95 % of Δ−bn, last step", better: 0, of: (row) => interval(row), show: (v) => v || "–" },
    several && { key: "gap", head: "best steps, and their gap ↓", better: -1, of: (row) => gap(row), show: (v) => number(v, 0), draw: strip },
    several && { key: "sv", head: "SV ↓", better: -1, of: (row) => row.sync[0], show: (v) => number(v, 1) },
    { key: "cost", head: "cost (× forward) ↓", better: -1, of: (row) => row.cost[1], show: (v) => number(v, 2) },
    { key: "seeds", head: "seeds", better: 1, of: (row) => row.survivors, show: (v) => number(v, 0) },
  ].filter(Boolean);
}

function interval(row) {
  const ends = row.certainty && row.certainty.over_bn;
  return ends ? `[${number(ends[0], 2, true)}, ${number(ends[1], 2, true)}]` : null;
}

function gap(row) {
  const known = row.best_steps.filter((step) => step !== null);
  return row.control && row.method === "base" || known.length < 2 ? null : Math.max(...known) - Math.min(...known);
}

// Where each task is at its best, on the axis of steps.
function strip(row) {
  if (gap(row) === null) return null;
  const steps = view().steps, end = steps[steps.length - 1] || 1, at = (step) => 4 + 62 * step / end;
  const said = view().metrics.map((m, i) => `${m.task} ${number(row.best_steps[i], 0)}`).join(", ");
  const known = row.best_steps.filter((step) => step !== null);
  return make("svg", { class: "strip", width: 70, height: 12, viewBox: "0 0 70 12", role: "img", "aria-label": "best steps: " + said },
    make("line", { x1: at(Math.min(...known)), x2: at(Math.max(...known)), y1: 6, y2: 6, "stroke-width": 3 }),
    ...known.map((step) => make("circle", { cx: at(step), cy: 6, r: 3 })));
}

function buildBoard() {
  const cols = columns();
  const head = make("tr", {}, make("th", { scope: "col" }, "#"), make("th", { scope: "col", class: "name" }, sorter("label", "method")),
    ...cols.map((c) => make("th", { scope: "col", "data-key": c.key }, sorter(c.key, c.head))),
    make("th", { scope: "col", class: "does" }, "command"));
  lines = view().rows.map((row) => line(row, cols));
  byId("ranks").replaceChildren(make("thead", {}, head), make("tbody", {}, ...lines.map((each) => each.node)));
  byId("board-notes").replaceChildren(...[view().source, ...view().notes].filter(Boolean).map((note) => make("p", {}, note)));
  const verdict = view().verdict;
  byId("view-verdict").textContent = verdict ? `${page.views.length > 1 ? view().facets[0] + ": " : ""}${verdict}` : "";
  byId("view-accidents").hidden = !view().accidents;
  byId("view-accidents").textContent = view().accidents;
}

function sorter(key, head) {
  return make("button", { type: "button", onclick: () => {
    const column = columns().find((c) => c.key === key);
    state.sort = state.sort.key === key ? { key, down: !state.sort.down } : { key, down: !column || column.better >= 0 };
    if (key === "label" && state.sort.down) state.sort.down = false;
    orderBoard();
  } }, head);
}

function line(row, cols) {
  const box = make("input", { type: "checkbox", "aria-label": "draw " + row.label, onchange: () => toggle(row.label) });
  const rank = make("td", {});
  const cells = cols.map((c) => make("td", { class: (c.live ? "read" : "") + (c.key === "delta" ? " delta" : "") }));
  const tags = [
    row.control && make("span", { class: "tag" }, "control"),
    row.certainty && row.certainty.tied && make("span", { class: "tag", title: "best at the last step, or not told from it at 5 %" }, "≈ best"),
    row.collapse && make("span", { class: "tag bad" }, "collapsed " + row.collapse),
  ].filter(Boolean);
  const name = make("th", { scope: "row", class: "name" },
    make("label", {}, box, swatch(row), make("span", { class: "label" }, row.label), make("span", { class: "tags" }, ...tags)));
  const copy = make("button", { type: "button", "aria-label": "copy the command that makes " + row.label, title: row.command,
    onclick: () => copyText(row.command) }, "copy");
  const node = make("tr", { "data-label": row.label }, rank, name, ...cells, make("td", { class: "does" }, copy));
  return { row, node, box, rank, cells, cols };
}

function orderBoard() {
  const column = columns().find((c) => c.key === state.sort.key);
  const known = lines.map((each) => {
    const at = read(each.row), value = column ? column.of(each.row, at) : each.row.label;
    return { each, at, value: value === undefined ? null : value };
  });
  const sign = state.sort.down ? -1 : 1;
  known.sort((a, b) => (a.value === null) - (b.value === null) ||
    sign * (typeof a.value === "string" ? a.value.localeCompare(b.value) : a.value - b.value) || 0);
  let rank = 0;
  for (const { each, at } of known) {
    rank += each.row.control ? 0 : 1;
    each.rank.textContent = each.row.control ? "" : String(rank);
    each.node.classList.toggle("first", rank === 1 && !each.row.control);
    each.cols.forEach((c, i) => {
      const text = c.show(c.of(each.row, at));
      if (c.draw && !each.cells[i].firstChild) each.cells[i].append(...[c.draw(each.row), " " + text].filter(Boolean));
      else if (!c.draw && each.cells[i].textContent !== text) each.cells[i].textContent = text;
    });
    each.box.checked = !state.hidden.has(each.row.label);
  }
  byId("ranks").tBodies[0].append(...known.map(({ each }) => each.node));
  byId("ranks").classList.toggle("oracle-read", Boolean(selected() && selected().oracle));
  for (const th of byId("ranks").tHead.rows[0].cells) {
    const key = th.dataset.key || (th.classList.contains("name") ? "label" : "");
    if (key === state.sort.key) th.setAttribute("aria-sort", state.sort.down ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  }
  const leader = known.find(({ each, at }) => !each.row.control && at.delta !== null);
  byId("board-said").textContent = saidOfReading() + (leader && state.sort.key === "delta" && state.sort.down
    ? ` First: ${leader.each.row.label}, Δ ${number(leader.at.delta, 2, true)} %.` : "");
}

function saidOfReading() {
  if (state.selection === null) return `Every method after ${view().steps[state.step]} updates.`;
  if (state.selection === BUDGET) return saidOfBudget();
  const selection = selected();
  const title = selection.id === "fixed" ? `fixed, step ${view().fixed_step}` : selection.title;
  return `${title}: ${selection.rule}.`;
}

function saidOfBudget() {
  const budget = state.budgets[state.budget], online = view().facets[page.facets.findIndex((facet) => facet.name === "protocol")] === "online";
  const stuck = view().rows.filter((row) => row.method !== "base" && row.survivors && within(row, budget) === 0).map((row) => row.label);
  return `At equal compute: every method after its last step within ${times(budget)}, forwards + 2 × backwards of each image through the encoder.`
    + (stuck.length ? ` Not one update fits for ${stuck.length > 6 ? stuck.length + " methods" : stuck.join(", ")}: read at step 0.` : "")
    + (online ? " In online, step k of a batch follows all updates of the batches before it, whatever the budget." : "");
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch (refused) {  // a page opened from a file may not have the clipboard
    const area = make("textarea", { "aria-hidden": "true" }, text);
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  tell("Copied: " + (text.length > 90 ? text.slice(0, 90) + "…" : text));
}
