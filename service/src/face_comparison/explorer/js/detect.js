/** The page Detect: images in, the faces of each out. */

import { afterPaint, announce, fill, h, keepFocus, sign } from "./dom.js";
import { downloads } from "./download.js";
import { developerDetails } from "./exchange.js";
import { explanation, faceCards } from "./face-cards.js";
import { acceptable, keeper } from "./image.js";
import { acceptDrops, intake, sample } from "./intake.js";
import { number, percent, t } from "./language.js";
import { copiesNotice } from "./notices.js";
import { ABOUT_THE_KEY, problem } from "./problem.js";
import { queue } from "./queue.js";
import { FACE_HEAD, faceRows, KEPT, recentStrip } from "./recent.js";
import { ENDPOINTS } from "./service.js";
import { clear, nameOf, shot } from "./shot.js";

const ORDERS = { certainty: null, size: (face) => -face.Quality.FaceSize, position: (face) => face.BoundingBox.Left };
const NOTHING = { subject: null, sent: null, answer: null, error: null, busy: false };

/** service: limits, defaults and auth; compareWith(subject): go to the other page with an image or a face of it. */
export function detectPage(service, compareWith) {
  const root = h("div", { class: "page" });
  const state = { entries: [], entry: NOTHING, order: "certainty", maxFaces: service.defaults.max_faces, minConfidence: service.defaults.min_confidence };
  const requests = queue(finished);
  const keep = keeper();
  let parts;
  let drawn = null;

  /** The first of them is shown at once; the others follow in the strip. */
  async function take(files) {
    for (const [i, file] of files.entries()) add({ image: await acceptable(file, service) }, i === 0);
  }

  function add(subject, shown) {
    const entry = { ...NOTHING, subject };
    state.entries.push(entry);
    keepShown();
    if (shown) state.entry = entry;
    while (state.entries.length > KEPT) forget(state.entries.find((each) => each !== state.entry));
    find(entry, shown);
  }

  function find(entry, urgent = true) {
    entry.sent = request(service, { ...state, subject: entry.subject });
    requests.add(entry, urgent);
    if (entry !== state.entry) return showStrip();
    announce(t("detect.working"));
    return show();
  }

  function finished(entry) {
    if (entry === state.entry) show();
    else showStrip();
    if (state.entries.length > 1 && !requests.left()) announce(t("recent.done", { count: state.entries.length }));
    else if (entry === state.entry && entry.answer) announce(summary(entry.answer));
  }

  function forget(entry) {
    requests.drop(entry);
    state.entries = state.entries.filter((each) => each !== entry);
    keepShown();
  }

  const keepShown = () => keep(state.entries.map(({ subject }) => subject.image).filter(Boolean));

  function forgetAll() {
    for (const entry of state.entries) if (entry !== state.entry) forget(entry);
    showStrip();
    keepFocus(parts.results);
  }

  function choose(entry) {
    state.entry = entry;
    show();
    parts.recent.querySelector("[aria-pressed=true]")?.focus();
  }

  const compare = (entry, face = null) => compareWith({ ...entry.subject, ...(face && { face }) });

  function build() {
    page.intake = intake({ take, takeUrl: (url) => add({ url }, true), many: true, room: () => KEPT, samples: { [t("intake.sample")]: async () => take(await sample()) }, service, typed: page.intake?.typed() });
    parts = { shot: h("div", { class: "stack" }), recent: recentStrip({ choose, forget: forgetAll }), head: h("div", { class: "row apart" }), result: h("div", { class: "stack" }), below: h("div") };
    parts.results = h("section", { class: "card", "aria-labelledby": "faces-title", tabindex: "-1" }, parts.head, parts.result);
    const left = h("section", { class: "card stack", "aria-label": t("detect.image") }, parts.shot, parts.recent, page.intake, options(state, service, () => state.entry.subject && find(state.entry)));
    fill(root, h("header", {}, h("h1", {}, t("detect.title")), h("p", { class: "lede" }, t("detect.lede"))), h("div", { class: "columns" }, left, parts.results), parts.below);
    acceptDrops(root, page.intake);
    drawn = null;
    show();
  }

  function show() {
    page.intake.compact(Boolean(state.entry.subject));
    showImage();
    showFaces();
    showStrip();
  }

  const showStrip = () => parts.recent.show({ entries: state.entries, current: state.entry });

  /** The image stays while requests come and go; only an image that is not here is drawn anew, in its faces' shape. */
  function showImage() {
    const { subject, answer, busy, error } = state.entry;
    if (!subject) return;
    if (subject.url && error) {
      drawn = null;
      fill(parts.shot);
      return;
    }
    if (drawn?.subject !== subject || !drawn.element) {
      const boxes = answer?.reply.Faces.map((face) => face.BoundingBox) ?? [];
      drawn = { subject, ...shot(subject, { label: t("detect.image"), boxes }) };
      fill(parts.shot, drawn.root, subject.image && copiesNotice([subject.image]));
    }
    drawn.root.classList.toggle("busy", busy);
    clear(drawn.root);
  }

  function showFaces() {
    const { entry } = state;
    const { subject, sent, answer, error, busy } = entry;
    const found = answer?.reply.Faces ?? [];
    const key = ORDERS[state.order];
    const faces = key ? found.toSorted((one, other) => key(one) - key(other)) : found;
    const title = h("h2", { id: "faces-title" }, t(subject ? "detect.faces" : "explain.title"));
    const version = answer?.reply.FaceModelVersion;
    const compareFace = (face) => compare(entry, { vector: face.face_hash, version, box: face.BoundingBox });
    fill(
      parts.head,
      title,
      faces.length > 0 && h("span", { class: "row" }, h("button", { type: "button", class: "small", onclick: () => compare(entry) }, t("detect.to-compare")), downloads("faces", answer.reply, () => ({ head: FACE_HEAD, rows: faceRows(faces) }))),
    );
    const cards = faces.length ? faceCards(drawn, faces, compareFace) : [];
    fill(
      parts.result,
      !subject && explanation(),
      busy && h("p", { class: "empty" }, t("detect.working")),
      error && problem(error, () => find(entry), nameOf(subject)),
      answer && faces.length > 0 && h("p", { class: "faint small" }, summary(answer)),
      faces.length > 1 && orderChoice(state, showAgain),
      answer && !faces.length && nothing(),
      faces.length > 0 && h("ul", { class: "faces" }, cards),
    );
    fill(parts.below);
    if (answer || error) afterPaint(() => state.entry === entry && entry.answer === answer && entry.error === error && fill(parts.below, developerDetails({ sent, answer, error, images: subject.image ? [subject.image] : [] })));
    if (drawn?.element) drawn.element.decode().then(() => cards.forEach((item, i) => item.cut(drawn.element, faces[i].BoundingBox)), () => {});
    if (subject && !busy) keepFocus(parts.results);
  }

  function showAgain() {
    clear(drawn.root);
    showFaces();
    parts.result.querySelector("select")?.focus();
  }

  // An error that is shown asks again by itself; what is under way was sent with the earlier key.
  document.addEventListener("key", () => state.entries.forEach((entry) => (entry.busy || (entry !== state.entry && ABOUT_THE_KEY.includes(entry.error?.code))) && find(entry, entry === state.entry)));

  const page = { root, build, take, intake: null };
  return page;
}

/** What is sent; see samples.js. */
function request(service, { subject, maxFaces, minConfidence }) {
  const changed = {
    ...(maxFaces === service.defaults.max_faces ? {} : { max_faces: maxFaces }),
    ...(minConfidence === service.defaults.min_confidence ? {} : { min_confidence: minConfidence }),
  };
  const key = service.auth !== "none";
  if (subject.url) return { url: ENDPOINTS.detect, key, json: { url: subject.url, ...changed } };
  const { blob, name, type } = subject.image;
  const query = new URLSearchParams(changed).toString();
  return { url: ENDPOINTS.detect + (query && `?${query}`), key, options: changed, image: { blob, file: name, type: type || "application/octet-stream" } };
}

function options(state, service, changed) {
  const most = h("input", {
    type: "number", min: "1", max: String(service.limits.max_faces), value: String(state.maxFaces), id: "max-faces",
    onchange: () => {
      state.maxFaces = Math.min(service.limits.max_faces, Math.max(1, Math.round(Number(most.value)) || service.limits.max_faces));
      most.value = String(state.maxFaces);
      changed();
    },
  });
  const shown = h("output", { for: "min-confidence" }, percent(state.minConfidence));
  const least = h("input", {
    type: "range", min: "0", max: "1", step: "0.05", value: String(state.minConfidence), id: "min-confidence",
    oninput: () => (shown.textContent = percent(Number(least.value))),
    onchange: () => {
      state.minConfidence = Number(least.value);
      changed();
    },
  });
  const isChanged = state.maxFaces !== service.defaults.max_faces || state.minConfidence !== service.defaults.min_confidence;
  return h(
    "details",
    { class: "fold", open: isChanged },
    h("summary", {}, t("detect.options")),
    h(
      "div",
      { class: "row options" },
      h("div", { class: "field" }, h("label", { for: "max-faces" }, t("detect.max-faces")), most),
      h("div", { class: "field grow" }, h("span", { class: "row apart" }, h("label", { for: "min-confidence" }, t("detect.min-confidence")), shown), least),
    ),
  );
}

function orderChoice(state, changed) {
  const select = h("select", { id: "face-order", onchange: () => { state.order = select.value; changed(); } }, Object.keys(ORDERS).map((name) => h("option", { value: name }, t(`order.${name}`))));
  select.value = state.order;
  return h("div", { class: "row" }, h("label", { for: "face-order", class: "small faint" }, t("order.label")), select);
}

function summary({ reply, milliseconds }) {
  const count = reply.Faces.length;
  const faces = count === 1 ? t("detect.found-one") : count ? t("detect.found", { count }) : t("detect.none");
  return t("detect.shown", { faces, milliseconds: number(milliseconds, 0) });
}

const nothing = () => h("div", { class: "notice info" }, sign("face"), h("div", {}, h("h3", {}, t("detect.none")), h("p", {}, t("detect.none-help"))));
