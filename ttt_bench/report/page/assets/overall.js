// Streams that drift, and what holds over all pairs.
function addDrift() {
  const known = view().rows.filter((row) => row.drift);
  byId("drift").hidden = !known.length;
  if (known.length && view().segments.length) {
    driftChart("Δ over base (%) ↑", "delta");
    if (known.some((row) => !row.control && row.drift.over_bn.some((value) => value !== null))) driftChart("Δ minus bn's (points) ↑", "over_bn");
  }
  const head = ["method", ...view().segments.map((name) => `Δ (%), ${name}`), "forgetting (%) ↓"];
  byId("drifted").replaceChildren(make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...known.map((row) => make("tr", {}, make("th", { scope: "row" }, row.label),
      ...[...row.drift.delta, row.drift.forgetting].map((value) => make("td", {}, number(value, 2, true)))))));
}

function driftChart(title, key) {
  const rows = () => shown().filter((row) => row.drift && !(key === "over_bn" && row.control));
  addChart("segments", title, `${title} on each segment of the stream; the numbers stand in the tables`, () => {
    const drawn = rows(), places = view().segments.map((_, i) => i);
    const data = drawn.map((row) => ({ x: places, y: row.drift[key], mode: "lines+markers", name: plain(row.label), hovertemplate: "%{y:+.2f}",
      line: { color: colourOf(row), dash: page.looks[row.look].dash, width: 2 }, marker: { size: 9, color: colourOf(row), symbol: page.looks[row.look].symbol } }));
    return { data, layout: axes({ tickvals: places, ticktext: view().segments.map((name) => plain(short(name))), zeroline: false, range: [-0.3, places.length - 0.7] },
      { range: robust(drawn.map((row) => row.drift[key])) }) };
  });
}

// Sections about many tables stand beside the views of their settings alone.
function showSections() {
  document.querySelectorAll("section[data-block]").forEach((node, place) => {
    const section = page.sections[place];
    node.hidden = section.block !== "" && section.block !== view().block;
    if (section.ranks && !node.hidden) ranksChart(section);
    if (section.severities && !node.hidden) severitiesChart(section);
  });
}

// Bars as long as the critical difference: two that overlap are closer than it.
function ranksChart({ id, ranks }) {
  const home = `${id}-chart`, places = ranks.labels.map((_, i) => i);
  addChart(home, "1 is best; methods whose bars overlap cannot be told apart at 5 %", "mean ranks with their critical difference; the numbers stand below", () => {
    const colours = ranks.looks.map((look) => page.looks[look].colour || css("--fg"));
    const data = [{ x: ranks.mean, y: places, mode: "markers", customdata: ranks.labels.map(plain), hovertemplate: "%{customdata}: %{x:.2f}<extra></extra>",
      marker: { size: 11, color: colours, symbol: ranks.looks.map((look) => page.looks[look].symbol) },
      error_x: { type: "constant", value: ranks.critical / 2, color: css("--dim"), thickness: 2, width: 5 } }];
    return { data, layout: axes({ title: { text: "mean rank ↓" }, zeroline: false },
      { tickvals: places, ticktext: ranks.labels.map((label) => plain(short(label))), zeroline: false, range: [places.length - 0.4, -0.6] }) };
  });
  byId(home).lastChild.querySelector(".chart").style.height = `${Math.min(60, 6 + 2 * places.length)}rem`;
}

function severitiesChart({ id, severities }) {
  const { labels, looks, levels, axis } = severities, ticks = severities.severities;
  addChart(`${id}-chart`, axis, `${axis} over the severities of corruption; the numbers stand below`, () => {
    const drawn = labels.map((_, i) => i).filter((i) => !state.hidden.has(labels[i])), end = ticks.length - 1;
    const colour = (i) => page.looks[looks[i]].colour || css("--fg"), room = 0.04 * (ticks[end] - ticks[0]);
    const data = drawn.map((i) => ({ x: ticks, y: levels[i], mode: "lines+markers", name: plain(labels[i]), hovertemplate: "%{y:.1f} at severity %{x}",
      line: { color: colour(i), dash: page.looks[looks[i]].dash, width: 2 }, marker: { size: 9, color: colour(i), symbol: page.looks[looks[i]].symbol } }));
    return { data, layout: axes({ title: { text: "severity" }, tickvals: ticks, zeroline: false, range: [ticks[0] - room, ticks[end] + room] },
      { range: robust(drawn.map((i) => levels[i])), zeroline: false }) };
  });
}
