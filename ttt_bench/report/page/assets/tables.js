// Every table, unpacked when the first is opened or taken.
let unpacked = null;
const tables = () => (unpacked = unpacked || unpack("packed-tables").then(JSON.parse));
const KINDS = [["csv", "CSV", "text/csv"], ["md", "Markdown", "text/markdown"], ["tex", "LaTeX", "application/x-tex"]];

async function listTables() {
  const all = await tables(), slug = view().slug;
  byId("table-list").replaceChildren(...all.filter((table) => table.of === slug || table.of === "").map((table) => {
    const body = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": table.title });
    const details = make("details", { ontoggle: () => { if (!body.firstChild) fillTable(body, table); } }, make("summary", {}, table.title), body);
    return make("div", { class: "take" }, details, make("div", {}, ...KINDS.flatMap(([key, name, type]) =>
      [make("button", { type: "button", "aria-label": `download ${table.title} as ${name}`, onclick: () => save(`${table.name}.${key}`, table[key], type) }, name), " "])));
  }));
}

function fillTable(body, table) {
  const cell = ([text, emphasis], i) => make(i ? "td" : "th", { class: emphasis || false, scope: i ? false : "row" }, text);
  body.append(make("table", {}, make("thead", {}, make("tr", {}, ...table.head.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...table.rows.map((row) => make("tr", {}, ...row.map(cell))))), ...table.notes.map((note) => make("p", { class: "fine" }, note)));
}

function save(name, text, type) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  tell("Saved " + name);
}

function listLosses() {
  byId("collapsed").replaceChildren(...view().losses.map((loss) =>
    make("tr", {}, make("th", { scope: "row" }, loss.what), make("td", { class: "text" }, loss.kind), make("td", { class: "text" }, loss.reason))));
  const none = !view().losses.length && !page.failures.length;
  byId("no-losses").hidden = !none;
  byId("losses").querySelector(".scroll").hidden = none;
}
