// Charts are drawn when they come into sight, and again when what they show has changed.
const charts = [];
let ready = false;

function addChart(home, caption, said, figure, mark) {
  const node = make("div", { class: "chart", role: "img", "aria-label": said });
  byId(home).append(make("figure", {}, caption && make("figcaption", {}, caption), node));
  const chart = { node, figure, mark, stale: true, seen: false };
  charts.push(chart);
  watcher.observe(node);
  node.chart = chart;
}

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    entry.target.chart.seen = entry.isIntersecting;
    if (entry.isIntersecting) draw(entry.target.chart);
  }
}, { rootMargin: "200px" });

function draw(chart) {
  if (!ready || !chart.stale) return;
  chart.stale = false;
  const { data, layout } = chart.figure();
  Plotly.react(chart.node, data, { ...base(), ...layout }, { displayModeBar: false, responsive: true });
}

function redraw() {
  for (const chart of charts) { chart.stale = true; if (chart.seen) draw(chart); }
}

// Only the marks have moved.
function remark() {
  for (const chart of charts) {
    if (!chart.mark) continue;
    if (!chart.seen || chart.stale || !ready) { chart.stale = true; continue; }
    const at = chart.mark();
    Plotly.restyle(chart.node, { x: [at.x], y: [at.y] }, [chart.node.data.length - 1]);
  }
}

function clearCharts() {
  watcher.disconnect();
  for (const chart of charts.splice(0)) { if (ready) Plotly.purge(chart.node); chart.node.parentNode.remove(); }
}

function base() {
  const axis = { gridcolor: css("--grid"), zerolinecolor: css("--line"), linecolor: css("--line"), automargin: true, nticks: 6, exponentformat: "none" };
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "closest",
    dragmode: matchMedia("(pointer: fine)").matches ? "zoom" : false,
    font: { color: css("--fg"), size: 13, family: "system-ui, sans-serif" }, margin: { l: 46, r: 8, t: 8, b: 42 },
    hoverlabel: { bgcolor: css("--card"), bordercolor: css("--line"), font: { color: css("--fg") } },
    xaxis: { ...axis }, yaxis: { ...axis },
  };
}
const axes = (x, y) => ({ xaxis: { ...base().xaxis, ...x }, yaxis: { ...base().yaxis, ...y } });

// A range that shows every curve, but not one that leaves the others by more than three times their spread.
function robust(curves) {
  const known = curves.map((c) => c.filter((v) => v !== null)).filter((c) => c.length);
  if (!known.length) return undefined;
  const lows = known.map((c) => Math.min(...c)).sort((a, b) => a - b), highs = known.map((c) => Math.max(...c)).sort((a, b) => a - b);
  const inner = [lows[Math.floor(0.2 * (lows.length - 1))], highs[Math.ceil(0.8 * (highs.length - 1))]];
  const slack = 3 * Math.max(inner[1] - inner[0], 1e-9);
  const low = Math.max(lows[0], inner[0] - slack), high = Math.min(highs[highs.length - 1], inner[1] + slack);
  const margin = 0.06 * (high - low) || Math.max(Math.abs(high), 1) * 0.05;
  return [low - margin, high + margin];
}
