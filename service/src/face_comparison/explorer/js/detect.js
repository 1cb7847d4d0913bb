/** The page Detect: one image in, its faces out. */

import { copyButton } from "./copy.js";
import { afterPaint, announce, fill, h, keepFocus, sign } from "./dom.js";
import { downloads } from "./download.js";
import { developerDetails } from "./exchange.js";
import { acceptDrops, intake, sample } from "./intake.js";
import { number, percent, t } from "./language.js";
import { acceptable, crop } from "./image.js";
import { copiesNotice } from "./notices.js";
import { problem } from "./problem.js";
import { doubts, judged } from "./quality.js";
import { runner } from "./run.js";
import { ENDPOINTS } from "./service.js";
import { addBox, addPoints, clear, nameOf, shot } from "./shot.js";
import { strip, used } from "./vector.js";

const CROP = 152; // twice the shown size, for screens with two pixels per point
const MANY = 12; // more faces than this are drawn without landmarks
const ORDERS = { certainty: null, size: (face) => -face.Quality.FaceSize, position: (face) => face.BoundingBox.Left };

/** service: limits, defaults and auth; compareWith(subject): go to the other page with an image or a face of it. */
export function detectPage(service, compareWith) {
  const root = h("div", { class: "page" });
  const run = runner();
  const state = { subject: null, sent: null, answer: null, error: null, busy: false, order: "certainty", maxFaces: service.defaults.max_faces, minConfidence: service.defaults.min_confidence };
  let parts;
  let drawn = null;

  const take = async ([file]) => begin({ image: await acceptable(file, service) });

  function begin(subject) {
    Object.assign(state, { subject, answer: null, error: null });
    find();
  }

  function find() {
    if (!state.subject) return;
    Object.assign(state, { busy: true, sent: request(service, state) });
    show();
    announce(t("detect.working"));
    run(
      state.sent,
      (answer) => finished({ answer, error: null }),
      (error) => finished({ answer: null, error }),
    );
  }

  function finished(result) {
    Object.assign(state, result, { busy: false });
    show();
    if (state.answer) announce(summary(state.answer));
  }

  function build() {
    page.intake = intake({ take, takeUrl: (url) => begin({ url }), samples: { [t("intake.sample")]: async () => take(await sample()) }, service, typed: page.intake?.typed() });
    parts = { shot: h("div", { class: "stack" }), head: h("div", { class: "row apart" }), result: h("div", { class: "stack" }), below: h("div") };
    parts.results = h("section", { class: "card", "aria-labelledby": "faces-title", tabindex: "-1" }, parts.head, parts.result);
    const left = h("section", { class: "card stack", "aria-label": t("detect.image") }, parts.shot, page.intake, options(state, service, find));
    fill(root, h("header", {}, h("h1", {}, t("detect.title")), h("p", { class: "lede" }, t("detect.lede"))), h("div", { class: "columns" }, left, parts.results), parts.below);
    acceptDrops(root, page.intake);
    drawn = null;
    show();
  }

  function show() {
    page.intake.compact(Boolean(state.subject));
    showImage();
    showFaces();
  }

  /** The image stays while requests come and go; only an image that is not here is drawn anew, in its faces' shape. */
  function showImage() {
    const { subject, answer, busy } = state;
    if (!subject) return;
    if (subject.url && state.error) {
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
    const { subject, sent, answer, error, busy } = state;
    const found = answer?.reply.Faces ?? [];
    const key = ORDERS[state.order];
    const faces = key ? found.toSorted((one, other) => key(one) - key(other)) : found;
    const title = h("h2", { id: "faces-title" }, t(subject ? "detect.faces" : "explain.title"));
    const version = answer?.reply.FaceModelVersion;
    const compareFace = (face) => compareWith({ ...subject, face: { vector: face.face_hash, version, box: face.BoundingBox } });
    fill(
      parts.head,
      title,
      faces.length > 0 && h("span", { class: "row" }, h("button", { type: "button", class: "small", onclick: () => compareWith(subject) }, t("detect.to-compare")), downloads("faces", answer.reply, () => table(faces))),
    );
    const cards = faces.length ? faceCards(drawn, faces, compareFace) : [];
    fill(
      parts.result,
      !subject && explanation(),
      busy && h("p", { class: "empty" }, t("detect.working")),
      error && problem(error, find, nameOf(subject)),
      answer && faces.length > 0 && h("p", { class: "faint small" }, summary(answer)),
      faces.length > 1 && orderChoice(state, showAgain),
      answer && !faces.length && nothing(),
      faces.length > 0 && h("ul", { class: "faces" }, cards),
    );
    fill(parts.below);
    if (answer || error) afterPaint(() => state.answer === answer && state.error === error && fill(parts.below, developerDetails({ sent, answer, error, images: subject.image ? [subject.image] : [] })));
    if (drawn?.element) drawn.element.decode().then(() => cards.forEach((item, i) => item.cut(drawn.element, faces[i].BoundingBox)), () => {});
    if (subject && !busy) keepFocus(parts.results);
  }

  function showAgain() {
    clear(drawn.root);
    showFaces();
    parts.result.querySelector("select")?.focus();
  }

  const page = { root, build, take, begin, intake: null };
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

function table(faces) {
  return {
    head: ["face", "left", "top", "width", "height", "confidence", "face_size", "sharpness", "brightness", "reliable"],
    rows: faces.map(({ BoundingBox: box, Confidence: confidence, Quality: quality }, i) => [i + 1, box.Left, box.Top, box.Width, box.Height, confidence, quality.FaceSize, quality.Sharpness, quality.Brightness, quality.Reliable]),
  };
}

function summary({ reply, milliseconds }) {
  const count = reply.Faces.length;
  const faces = count === 1 ? t("detect.found-one") : count ? t("detect.found", { count }) : t("detect.none");
  return t("detect.shown", { faces, milliseconds: number(milliseconds, 0) });
}

const nothing = () => h("div", { class: "notice info" }, sign("face"), h("div", {}, h("h3", {}, t("detect.none")), h("p", {}, t("detect.none-help"))));

const FACTS = ["confidence", "face-size", "sharpness", "brightness"];

const explanation = () => h("dl", { class: "explained" }, [...FACTS, "vector"].map((name) => h("div", {}, h("dt", {}, t(`detect.${name}`)), h("dd", {}, t(`explain.${name}`)))));

/** Boxes on the image and cards beside it, each lighting up the other. */
function faceCards(drawn, faces, compareFace) {
  return faces.map((face, i) => {
    const label = t("detect.face-label", { number: i + 1, confidence: percent(face.Confidence) });
    const lit = (on) => [box, item].forEach((element) => element.classList.toggle("lit", on));
    const item = card(face, i, lit, compareFace);
    const box = addBox(drawn.root, face.BoundingBox, { label, text: String(i + 1), onlit: lit, onchosen: () => item.scrollIntoView({ block: "nearest" }) });
    if (faces.length <= MANY) addPoints(drawn.root, face.Landmarks);
    return item;
  });
}

function card(face, i, lit, compareFace) {
  const { Quality: quality, face_hash: vector } = face;
  const name = t("detect.face", { number: i + 1 });
  const place = h("span", { class: "nocrop" }, sign("face"));
  const words = judged(quality);
  const values = [
    [percent(face.Confidence), ""],
    [t(`quality.${words.size}`), `${number(quality.FaceSize, 0)} px`],
    [t(`quality.${words.sharpness}`), number(quality.Sharpness, 0)],
    [t(`quality.${words.brightness}`), number(quality.Brightness, 0)],
  ];
  const facts = values.map(([value, measure], fact) => h("div", { title: t(`explain.${FACTS[fact]}`) }, h("dt", {}, t(`detect.${FACTS[fact]}`)), h("dd", {}, value, measure && h("small", { class: "faint" }, ` ${measure}`))));
  const poor = doubts(quality);
  const item = h(
    "li",
    { class: "face", onmouseenter: () => lit(true), onmouseleave: () => lit(false) },
    place,
    h(
      "div",
      { class: "about" },
      h("div", { class: "row apart" }, h("h3", {}, name), h("button", { type: "button", class: "small", "aria-label": `${t("detect.compare-face")} (${name})`, onclick: () => compareFace(face) }, t("detect.compare-face"))),
      h("dl", { class: "facts" }, facts),
      h("p", { class: `small ${poor.length ? "warn-text" : "same-text"}` }, poor.length ? t("quality.doubtful", { reasons: poor.map((reason) => t(reason)).join(", ") }) : t("quality.good")),
    ),
    vectorDetails(vector, name),
  );
  item.cut = (image, box) => place.replaceWith(Object.assign(crop(image, box, CROP), { ariaHidden: "true" }));
  return item;
}

function vectorDetails(vector, name) {
  const count = used(vector);
  const words = t(count < vector.length ? "detect.padded" : "detect.full", { used: count, all: vector.length });
  const copy = copyButton(() => JSON.stringify(vector), `${t("detect.copy-vector")} (${name})`, t("detect.copy-vector"));
  const inside = h("div", { class: "vector" }, strip(vector), h("div", { class: "row apart" }, h("span", { class: "small faint" }, words), copy));
  return h("details", { class: "fold wide" }, h("summary", { class: "small" }, t("detect.vector")), inside);
}
