/** The page Detect: one image in, its faces out. */

import { copyButton } from "./copy.js";
import { acceptable } from "./dialogs.js";
import { afterPaint, announce, fill, h, keepFocus, sign, styled } from "./dom.js";
import { exchangePanels } from "./exchange.js";
import { intake } from "./intake.js";
import { number, percent, t } from "./language.js";
import { crop, opened } from "./image.js";
import { problem } from "./problem.js";
import { runner } from "./run.js";
import { ENDPOINTS } from "./service.js";
import { addBox, addPoints, clear, shot } from "./shot.js";
import { strip, used } from "./vector.js";

const CROP = 152; // twice the shown size, for screens with two pixels per point
const MANY = 12; // more faces than this are drawn without landmarks

/** service: limits, defaults and auth; compareWith(subject): go to the other page with an image. */
export function detectPage(service, compareWith) {
  const root = h("div", { class: "page" });
  const run = runner();
  const state = { subject: null, answer: null, error: null, busy: false, maxFaces: service.defaults.max_faces, minConfidence: service.defaults.min_confidence };
  let parts;
  let drawn = null;

  async function take([file]) {
    const image = await acceptable(await opened(file.blob, file.name), service.limits);
    if (image) begin({ image });
  }

  function begin(subject) {
    Object.assign(state, { subject, answer: null, error: null });
    find();
  }

  function find() {
    if (!state.subject) return;
    state.busy = true;
    show();
    announce(t("detect.working"));
    run(
      request(service, state),
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
    parts = { shot: h("div"), intake: h("div"), head: h("div", { class: "row apart" }), result: h("div", { class: "stack" }), below: h("div") };
    const results = h("section", { class: "card", "aria-labelledby": "faces-title", tabindex: "-1" }, parts.head, parts.result);
    parts.results = results;
    fill(
      root,
      h("header", {}, h("h1", {}, t("detect.title")), h("p", { class: "lede" }, t("detect.lede"))),
      h("div", { class: "columns" }, h("section", { class: "card stack", "aria-label": t("detect.image") }, parts.shot, parts.intake, options(state, service, find)), results),
      parts.below,
    );
    drawn = null;
    show();
  }

  function show() {
    showImage();
    showIntake();
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
      fill(parts.shot, drawn.root, subject.image?.shrunk && h("p", { class: "small faint" }, t("shrink.done", subject.image)));
    }
    drawn.root.classList.toggle("busy", busy);
    clear(drawn.root);
  }

  function showIntake() {
    const compact = Boolean(state.subject);
    if (parts.compact === compact) return;
    parts.compact = compact;
    page.intake = intake({ take, takeUrl: (url) => begin({ url }), sample: true, compact, side: service.limits.max_side_pixels });
    fill(parts.intake, page.intake);
  }

  function showFaces() {
    const { subject, answer, error, busy } = state;
    const faces = answer?.reply.Faces ?? [];
    const title = h("h2", { id: "faces-title" }, t(subject ? "detect.faces" : "explain.title"));
    const onward = faces.length > 0 && h("button", { type: "button", class: "small", onclick: () => compareWith(subject) }, t("detect.to-compare"));
    fill(parts.head, title, onward);
    const cards = faces.length ? faceCards(drawn, faces) : [];
    fill(
      parts.result,
      !subject && explanation(),
      busy && h("p", { class: "empty" }, t("detect.working")),
      error && problem(error, find),
      answer && faces.length > 0 && h("p", { class: "faint small" }, summary(answer)),
      answer && !faces.length && nothing(),
      faces.length > 0 && h("ul", { class: "faces" }, cards),
    );
    fill(parts.below);
    if (answer || error) afterPaint(() => state.answer === answer && state.error === error && fill(parts.below, exchangePanels(request(service, state), answer, error)));
    if (drawn?.element) drawn.element.decode().then(() => cards.forEach((item, i) => item.cut(drawn.element, faces[i].BoundingBox)), () => {});
    if (subject && !busy) keepFocus(parts.results);
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
  return { url: ENDPOINTS.detect + (query && `?${query}`), key, image: { blob, file: name, type: type || "application/octet-stream" } };
}

function options(state, service, changed) {
  const most = h("input", {
    type: "number", min: "1", max: String(service.limits.max_faces), value: String(state.maxFaces),
    onchange: () => {
      state.maxFaces = Math.min(service.limits.max_faces, Math.max(1, Math.round(Number(most.value)) || service.limits.max_faces));
      most.value = String(state.maxFaces);
      changed();
    },
  });
  const shown = h("output", {}, `${number(100 * state.minConfidence, 0)} %`);
  const least = h("input", {
    type: "range", min: "0", max: "1", step: "0.05", value: String(state.minConfidence),
    oninput: () => (shown.textContent = `${number(100 * least.value, 0)} %`),
    onchange: () => {
      state.minConfidence = Number(least.value);
      changed();
    },
  });
  return h("div", { class: "row options" }, h("label", { class: "field" }, t("detect.max-faces"), most), h("label", { class: "field grow" }, h("span", { class: "row apart" }, t("detect.min-confidence"), shown), least));
}

function summary({ reply, milliseconds }) {
  const count = reply.Faces.length;
  const faces = count === 1 ? t("detect.found-one") : count ? t("detect.found", { count }) : t("detect.none");
  return t("detect.shown", { faces, milliseconds: number(milliseconds, 0) });
}

const nothing = () => h("div", { class: "notice info" }, sign("face"), h("div", {}, h("h3", {}, t("detect.none")), h("p", {}, t("detect.none-help"))));

const FACTS = ["confidence", "face-size", "sharpness", "brightness", "vector"];

const explanation = () => h("dl", { class: "explained" }, FACTS.map((name) => h("div", {}, h("dt", {}, t(`detect.${name}`)), h("dd", {}, t(`explain.${name}`)))));

/** Boxes on the image and cards beside it, each lighting up the other. */
function faceCards(drawn, faces) {
  return faces.map((face, i) => {
    const label = t("detect.face-label", { number: i + 1, confidence: percent(face.Confidence) });
    const lit = (on) => [box, item].forEach((element) => element.classList.toggle("lit", on));
    const item = card(face, i, lit);
    const box = addBox(drawn.root, face.BoundingBox, { label, text: `${i + 1} · ${percent(face.Confidence)}`, onlit: lit, onchosen: () => item.scrollIntoView({ block: "nearest" }) });
    if (faces.length <= MANY) addPoints(drawn.root, face.Landmarks);
    return item;
  });
}

function card(face, i, lit) {
  const { Quality: quality, face_hash: vector } = face;
  const place = h("span", { class: "nocrop" }, sign("face"));
  const count = used(vector);
  const values = [percent(face.Confidence), `${number(quality.FaceSize, 0)} px`, number(quality.Sharpness, 0), number(quality.Brightness, 0)];
  const facts = values.map((value, fact) => h("div", { title: t(`explain.${FACTS[fact]}`) }, h("dt", {}, t(`detect.${FACTS[fact]}`)), h("dd", {}, value)));
  const item = h(
    "li",
    { class: "face", onmouseenter: () => lit(true), onmouseleave: () => lit(false) },
    place,
    h(
      "div",
      { class: "about" },
      h("h3", {}, t("detect.face", { number: i + 1 })),
      h("div", { class: "bar", "aria-hidden": "true" }, styled(h("i"), { width: `${100 * face.Confidence}%` })),
      h("dl", { class: "facts" }, facts),
    ),
    h(
      "div",
      { class: "vector" },
      strip(vector),
      h("div", { class: "row apart" }, h("span", { class: "small faint" }, t(count < vector.length ? "detect.padded" : "detect.full", { used: count, all: vector.length })), copyButton(() => JSON.stringify(vector), `${t("detect.copy-vector")} (${t("detect.face", { number: i + 1 })})`, t("detect.copy-vector"))),
    ),
  );
  item.cut = (image, box) => place.replaceWith(Object.assign(crop(image, box, CROP), { ariaHidden: "true" }));
  return item;
}
