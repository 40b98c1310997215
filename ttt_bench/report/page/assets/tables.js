// Every table by its name; what stands in them is unpacked when the first is opened or taken.
const names = JSON.parse(document.getElementById("table-names").textContent);
let unpacked = null;
const tables = () => (unpacked = unpacked || unpack("packed-tables").then(JSON.parse));
const KINDS = [["csv", "CSV", "text/csv"], ["md", "Markdown", "text/markdown"], ["tex", "LaTeX", "application/x-tex"]];

function listTables() {
  const slug = view().slug, withTable = (place, use) => tables().then((all) => use(all[place])).catch((error) => tell(error.message));
  byId("table-list").replaceChildren(...names.flatMap(({ of, title }, place) => {
    if (of !== slug && of !== "") return [];
    const body = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title });
    const open = () => { if (!body.firstChild) withTable(place, (table) => fillTable(body, table)); };
    return make("div", { class: "take" }, make("details", { ontoggle: open }, make("summary", {}, title), body), make("div", {}, ...KINDS.flatMap(([key, name, type]) =>
      [make("button", { type: "button", "aria-label": `download ${title} as ${name}`, onclick: () => withTable(place, (table) => save(`${table.name}.${key}`, table[key], type)) }, name), " "])));
  }));
}

function fillTable(body, table) {
  if (body.firstChild) return;
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
