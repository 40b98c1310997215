// Charts that stand beside the trajectories: best steps, synchronisation, cost, stream.
const TASK_COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const TASK_SYMBOLS = ["circle", "square", "triangle-up", "diamond", "cross", "x"];
const TASK_SIGNS = ["●", "■", "▲", "◆", "✚", "✖"];

function addBests() {
  byId("task-legend").replaceChildren(...view().metrics.map((m, i) => {
    const sign = make("span", { "aria-hidden": "true" }, TASK_SIGNS[i % 6]);
    sign.style.color = TASK_COLOURS[i % 6];
    return make("span", {}, sign, m.task);
  }));
  const rows = () => shown().filter((row) => gap(row) !== null).sort((a, b) => gap(a) - gap(b));
  addChart("bests", "Each task's best step", "the step at which each task of each method is best; the leaderboard names them", () => {
    const drawn = rows(), count = view().metrics.length, y = (i, task) => i + 0.1 * (task - (count - 1) / 2);
    const bars = drawn.map((row, i) => ({ x: [Math.min(...row.best_steps), Math.max(...row.best_steps)], y: [i, i], mode: "lines",
      line: { color: css("--line"), width: 9 }, hoverinfo: "skip" }));
    const tasks = view().metrics.map((m, task) => ({ x: drawn.map((row) => row.best_steps[task]), y: drawn.map((_, i) => y(i, task)),
      mode: "markers", name: plain(m.task), hovertemplate: "step %{x}", marker: { size: 11, symbol: TASK_SYMBOLS[task % 6], color: TASK_COLOURS[task % 6] } }));
    return { data: [...bars, ...tasks], layout: axes({ title: { text: "adaptation step" }, zeroline: false },
      { tickvals: drawn.map((_, i) => i), ticktext: drawn.map((row) => plain(short(row.label))), zeroline: false, range: [-0.7, drawn.length - 0.3] }) };
  });
  byId("bests").lastChild.querySelector(".chart").style.height = `${Math.min(60, 6 + 2 * rows().length)}rem`;
}
const short = (text) => (text.length > 26 ? text.slice(0, 25) + "…" : text);

// Names, but for those that would be written over another: these are told by the legend and on hovering.
function apart(rows, xs, wide, ends) {
  const taken = [];
  return rows.map((row, i) => {
    const y = last(row) / (ends[1] - ends[0]), x = xs[i] / wide;
    if (taken.some((other) => Math.abs(other.y - y) < 0.055 && Math.abs(other.x - x) < 0.3)) return "";
    taken.push({ x, y });
    return plain(short(row.label));
  });
}

function scatter(home, title, axis, xOf, logarithmic) {
  const rows = () => shown().filter((row) => row.method !== "base" && xOf(row) !== null && xOf(row) !== undefined && last(row) > -Infinity);
  if (!rows().length) return;
  addChart(home, title, `Δ at the last step against ${axis}; both stand in the leaderboard and the tables`, () => {
    const drawn = rows(), xs = drawn.map((row) => (logarithmic ? Math.log10(xOf(row)) : xOf(row)));
    const wide = Math.max(Math.max(...xs) - Math.min(...xs), logarithmic ? 0.5 : 0.2), ends = robust(drawn.map((row) => [last(row), 0]));
    const range = [Math.min(...xs) - 0.1 * wide, Math.max(Math.max(...xs), Math.min(...xs) + wide) + 0.3 * wide];
    return { data: [{ x: drawn.map(xOf), y: drawn.map(last), mode: "markers+text", text: apart(drawn, xs, wide, ends),
      textposition: "middle right", textfont: { size: 11, color: css("--fg") }, customdata: drawn.map((row) => plain(row.label)),
      hovertemplate: "%{customdata}<br>%{x:.3~g}, Δ %{y:+.2f} %<extra></extra>",
      marker: { size: 10, color: drawn.map(colourOf), symbol: drawn.map((row) => page.looks[row.look].symbol) } }],
    layout: axes({ title: { text: axis }, type: logarithmic ? "log" : "linear", zeroline: false, range },
      { title: { text: "Δ at the last step (%)" }, range: ends }) };
  });
}

// Every step of every method over what the updates up to it have cost.
function addCompute() {
  const rows = () => shown().filter((row) => !row.control && row.over_bn.length && row.work !== null && view().work[row.work].some((spent) => spent > 0));
  if (!rows().length) return;
  const overOf = (row) => row.over_bn[row.over_bn.length - 1].mean;
  const mark = () => {
    const at = rows().map((row) => ({ row, place: view().steps.indexOf(read(row).step) })).filter(({ place }) => place >= 0);
    return { x: at.map(({ row, place }) => view().work[row.work][place]), y: at.map(({ row, place }) => valueAt(overOf(row), place)), at };
  };
  addChart("costs", "Gain over bn against spent compute", "Δ minus bn's at each step against what the updates up to it have cost", () => {
    const drawn = rows(), at = mark();
    const lines = drawn.map((row) => ({ x: view().work[row.work], y: overOf(row), mode: "lines", name: plain(row.label), connectgaps: true,
      line: { color: colourOf(row), dash: page.looks[row.look].dash, width: 2 }, hovertemplate: "%{y:+.2f} at %{x:.3~g}x" }));
    const marks = { x: at.x, y: at.y, mode: "markers", name: "marks", hoverinfo: "skip", marker: { size: 10,
      color: at.at.map(({ row }) => colourOf(row)), symbol: at.at.map(({ row }) => page.looks[row.look].symbol) } };
    return { data: [...lines, marks], layout: axes({ title: { text: "forwards + 2 × backwards of each image (x)" }, zeroline: false },
      { title: { text: "Δ−bn (points)" }, range: robust(drawn.map(overOf)) }) };
  }, mark);
}

function addPoints() {
  const several = view().metrics.length > 1;
  byId("together").hidden = !several;
  if (several) {
    addBests();
    [["Step variance", "SV ↓ (squared steps)"], ["Warping distance", "DTW ↓"], ["Direction", "cosine similarity ↑"]].forEach(([title, axis], i) =>
      scatter("sync", title, axis, (row) => row.sync[i]));
  }
  scatter("costs", "Gain against the cost of one update", "one update, in base forwards (log) ↓", (row) => (row.cost[1] > 0 ? row.cost[1] : null), true);
  addCompute();
  byId("cost").hidden = !byId("costs").childNodes.length;
  const streamed = view().rows.some((row) => row.stream);
  byId("along").hidden = !streamed;
  if (!streamed) return;
  [["before", "Before the updates on a batch"], ["after", "After them"]].forEach(([key, title]) => addChart("streams", title, `Δ along the stream, ${title.toLowerCase()}`, () => {
    const drawn = shown().filter((row) => row.stream);
    const data = drawn.map((row) => ({ x: row.stream.batches, y: row.stream[key], mode: "lines", name: plain(row.label),
      line: { color: colourOf(row), dash: page.looks[row.look].dash, width: 2 }, hovertemplate: "%{y:+.2f} % after %{x} batches" }));
    return { data, layout: axes({ title: { text: "target batches seen" }, zeroline: false },
      { title: { text: "Δ over base (%)" }, range: robust(drawn.flatMap((row) => [row.stream.before, row.stream.after])) }) };
  }));
}
