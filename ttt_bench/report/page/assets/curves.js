// Trajectories: one panel per metric and one for Δ, as they are and minus bn.
function drawnLine(row, curve, x, flip) {
  const y = curve.mean.map((v) => (v === null ? null : flip * v));
  return { x, y, mode: "lines", name: plain(row.label), line: { color: colourOf(row), dash: page.looks[row.look].dash, width: 2 },
    opacity: row.survivors ? 1 : 0.35, connectgaps: true, hovertemplate: "%{y:.4~g} at step %{x}" };
}

function band(row, curve, x, flip) {
  if (!curve.sd.length || row.method === "base") return null;
  const known = x.map((_, i) => i).filter((i) => curve.mean[i] !== null && curve.sd[i] !== null);
  const side = (sign) => known.map((i) => flip * curve.mean[i] + sign * curve.sd[i]);
  return { x: [...known.map((i) => x[i]), ...known.map((i) => x[i]).reverse()], y: [...side(1), ...side(-1).reverse()], mode: "none",
    fill: "toself", fillcolor: colourOf(row) + (colourOf(row).length === 7 ? "1f" : ""), hoverinfo: "skip" };
}

function whiskers(rows, which, end, span) {
  const known = rows.filter((row) => row.certainty && row.certainty[which] && row.method !== "base");
  const middle = known.map((row) => (row.certainty[which][0] + row.certainty[which][1]) / 2);
  return { x: known.map((_, i) => end + span * (0.03 + 0.1 * (i + 1) / (known.length + 1))), y: middle, mode: "markers", hoverinfo: "skip",
    marker: { size: 0.1, color: known.map(colourOf) }, rows: known, which };
}

function panel(place, differences) {
  const metric = view().metrics[place], end = view().metrics.length === place;
  const flip = differences && metric ? metric.better : 1;
  const kind = differences ? "over_bn" : "curves";
  const rows = () => shown().filter((row) => row[kind].length && !(differences && row.method === "bn"));
  const curveOf = (row) => row[kind][place];
  const mark = () => {
    const at = rows().filter((row) => row.survivors).map((row) => ({ row, ...markOf(row, curveOf(row), place, differences, flip) }));
    return { x: at.map((a) => a.x), y: at.map((a) => a.y), at };
  };
  const figure = () => {
    const x = view().steps, drawn = rows(), span = x[x.length - 1] - x[0] || 1;
    const lines = drawn.map((row) => drawnLine(row, curveOf(row), x, flip));
    const at = mark(), stars = differences ? null : starsOf(drawn, place);
    const bars = end ? bracket(whiskers(drawn, differences ? "over_bn" : "delta", x[x.length - 1], span)) : [];
    const marks = { x: at.x, y: at.y, mode: "markers", name: "marks", hoverinfo: "skip",
      marker: { size: 10, color: at.at.map((a) => colourOf(a.row)), symbol: at.at.map((a) => page.looks[a.row.look].symbol),
        line: { width: 1.5, color: at.at.map((a) => (page.looks[a.row.look].symbol.endsWith("open") ? colourOf(a.row) : css("--card"))) } } };
    const range = robust([...lines.map((l) => l.y), ...bars.map((b) => [b.y[0] - b.error_y.array[0], b.y[0] + b.error_y.array[0]])]);
    const zero = differences || end ? [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 0, y1: 0, line: { color: css("--dim"), width: 1, dash: "dot" } }] : [];
    return { data: [...drawn.map((row) => band(row, curveOf(row), x, flip)).filter(Boolean), ...lines, ...bars, ...(stars ? [stars] : []), marks],
      layout: { ...axes({ title: { text: "adaptation step" }, range: [x[0] - 0.02 * span, x[x.length - 1] + span * (end ? 0.15 : 0.03)], zeroline: false },
        { range, zeroline: false }), shapes: zero } };
  };
  const head = end ? "Δ over base (%) ↑" : metric.head;
  const caption = differences ? (end ? "Δ minus bn's (points) ↑" : `${metric.head.replace(/ [↑↓]$/, "")}: gain over bn ↑`) : head;
  addChart(differences ? "over-bn" : "curves", caption, `${caption} over the adaptation steps; the numbers stand in the leaderboard`, figure, mark);
}

function markOf(row, curve, place, differences, flip) {
  const at = read(row), x = view().steps;
  if (state.selection === null || at.step === null) return { x: x[state.step], y: scaled(valueAt(curve.mean, state.step), flip) };
  // Seeds may have been read at different steps: the mark stands on the mean curve, at their mean.
  const after = x.findIndex((step) => step >= at.step), place1 = after < 0 ? x.length - 1 : after;
  const place0 = Math.max(place1 - 1, 0), width = x[place1] - x[place0];
  const low = valueAt(curve.mean, place0), high = valueAt(curve.mean, place1), share = width ? (at.step - x[place0]) / width : 1;
  return { x: at.step, y: low === null || high === null ? null : flip * (low + share * (high - low)) };
}
const scaled = (value, flip) => (value === null ? null : flip * value);

function starsOf(rows, place) {
  const known = rows.filter((row) => row.best_steps[place] !== null && row.best_steps[place] !== undefined && row.method !== "base");
  if (place >= view().metrics.length || !known.length) return null;
  return { x: known.map((row) => row.best_steps[place]), name: "best", mode: "markers", hoverinfo: "skip",
    y: known.map((row) => row.curves[place].mean[view().steps.indexOf(row.best_steps[place])]),
    marker: { size: 12, symbol: "star-open", color: known.map(colourOf), line: { width: 1.5 } } };
}

function bracket(points) {
  return points.rows.map((row, i) => ({ x: [points.x[i]], y: [points.y[i]], mode: "markers", hoverinfo: "skip",
    marker: { size: 1, color: colourOf(row) },
    error_y: { type: "data", array: [(row.certainty[points.which][1] - row.certainty[points.which][0]) / 2], color: colourOf(row), thickness: 1.6, width: 3 } }));
}

function addCurves() {
  const several = view().rows.some((row) => row.over_bn.length && row.method !== "bn" && !row.control);
  byId("differences").hidden = !several;
  for (let place = 0; place <= view().metrics.length; place++) {
    panel(place, false);
    if (several) panel(place, true);
  }
}
