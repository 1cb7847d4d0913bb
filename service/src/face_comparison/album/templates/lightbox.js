// Shows a photograph large, with the names of its people. Without this script every face is a link to its photograph.
(() => {
  const dialog = document.getElementById("photo");
  const [frame, image, faces, trouble, file, people, place] = ["frame", "image", "faces", "trouble", "file", "people", "place"].map((name) => dialog.querySelector(`.photo-${name}`));
  const tiles = [...document.querySelectorAll("a.face")];
  const sectionOf = (tile) => tile.closest("section");
  const nameOf = (tile) => (sectionOf(tile).id === "once" ? "" : sectionOf(tile).querySelector("h2").textContent);
  const onPhoto = Map.groupBy ? Map.groupBy(tiles, (tile) => tile.href) : grouped(tiles);
  let shown = []; // one tile for each photograph of the section, in its order
  let at = 0;

  function grouped(list) {
    const found = new Map();
    for (const tile of list) found.set(tile.href, [...(found.get(tile.href) ?? []), tile]);
    return found;
  }

  const element = (tag, properties, text = "") => Object.assign(document.createElement(tag), properties, { textContent: text });

  function open(tile) {
    const photographs = new Map();
    for (const each of sectionOf(tile).querySelectorAll("a.face")) if (!photographs.has(each.href)) photographs.set(each.href, each);
    shown = [...photographs.values()];
    at = [...photographs.keys()].indexOf(tile.href);
    show();
    dialog.showModal();
  }

  function show() {
    const tile = shown[at];
    const all = onPhoto.get(tile.href) ?? [tile];
    const known = all.filter(nameOf);
    frame.hidden = false;
    trouble.hidden = true;
    image.alt = [tile.title, ...known.map(nameOf)].join(", ");
    image.src = tile.href;
    faces.replaceChildren(...all.map(box));
    file.textContent = tile.title;
    file.href = tile.href;
    people.replaceChildren(...known.flatMap((each, i) => [...(i ? [", "] : []), element("a", { href: `#${sectionOf(each).id}`, onclick: () => dialog.close("person") }, nameOf(each))]));
    place.textContent = `${at + 1} of ${shown.length}`;
    dialog.querySelectorAll("[data-step]").forEach((button) => (button.hidden = shown.length < 2));
  }

  function box(tile) {
    const drawn = element("span", {}, "");
    const [left, top, width, height] = tile.dataset.box.split(" ").map((value) => `${value}%`);
    Object.assign(drawn.style, { left, top, width, height });
    if (nameOf(tile)) drawn.append(element("b", { dir: "auto" }, nameOf(tile)));
    return drawn;
  }

  function step(by) {
    at = (at + by + shown.length) % shown.length;
    show();
  }

  image.addEventListener("error", () => {
    frame.hidden = true;
    trouble.hidden = false;
  });
  document.addEventListener("click", (event) => {
    const tile = event.target.closest("a.face");
    if (!tile || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    open(tile);
  });
  dialog.addEventListener("click", (event) => {
    const { step: by } = event.target.closest("button")?.dataset ?? {};
    if (by) step(Number(by));
    else if (event.target === dialog) dialog.close(); // beside the photograph
  });
  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -at, End: shown.length - 1 - at }[event.key];
    if (by === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    step(by);
  });
  dialog.addEventListener("close", () => {
    image.removeAttribute("src");
    if (dialog.returnValue === "person") dialog.returnValue = "";
    else shown[at].focus();
  });
})();
