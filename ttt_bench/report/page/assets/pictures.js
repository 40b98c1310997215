// Before and after: the un-adapted prediction under each method's, uncovered by a slider or by moving over a picture.
let pictured = "";

function buildPictures() {
  const sheet = view().pictures;
  byId("pictures").hidden = !sheet;
  if (!sheet) return;
  if (!sheet.tasks.some(([name]) => name === pictured)) pictured = sheet.tasks[0][0];
  const tasks = make("fieldset", {}, make("legend", {}, "Task"), ...sheet.tasks.map(([name, title]) =>
    make("label", {}, make("input", { type: "radio", name: "pictured", value: name, checked: name === pictured, onchange: () => { pictured = name; fillSheet(); } }), " " + title)));
  const slider = make("input", { type: "range", min: 0, max: 100, value: 50, oninput: () => {
    for (const node of byId("sheet").querySelectorAll(".swipe")) node.style.removeProperty("--at");
    byId("sheet").style.setProperty("--swipe", slider.value + "%");
  } });
  byId("picture-controls").replaceChildren(tasks, make("label", {}, "after", slider, "before"));
  byId("sheet").style.setProperty("--swipe", "50%");
  fillSheet();
}

function fillSheet() {
  const sheet = view().pictures, title = sheet.tasks.find(([name]) => name === pictured)[1];
  const shot = (by) => sheet.shots.find((each) => each.task === pictured && each.by === by);
  const before = shot("base"), truth = shot("truth");
  const figures = [framed("image", sheet.image, null, "the image"), truth && framed("truth", truth.picture, null, title + ", truth", truth.words)];
  for (const each of sheet.shots) {
    if (each.task !== pictured || each.by === "truth") continue;
    const under = before && each !== before ? before.picture : null;
    figures.push(framed(each.by === "base" ? "base (un-adapted)" : each.by, under || each.picture, under && each.picture, `${title} by ${each.by}`, each.words));
  }
  byId("sheet").replaceChildren(...figures.filter(Boolean));
}

function framed(caption, under, over, alt, words) {
  const frame = make("div", { class: over ? "swipe" : "swipe plain" }, make("img", { src: under, alt: over ? alt + ", before" : alt }),
    over && make("img", { src: over, alt: alt + ", after" }));
  if (over) frame.addEventListener("pointermove", (event) => {
    const box = frame.getBoundingClientRect();
    frame.style.setProperty("--at", `${Math.max(0, Math.min(100, 100 * (event.clientX - box.left) / box.width))}%`);
  });
  return make("figure", {}, frame, make("figcaption", {}, words ? `${caption}: ${words}` : caption));
}
