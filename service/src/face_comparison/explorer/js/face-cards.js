/** The faces of one image: boxes on it, and a card for each beside it. */

import { copyButton } from "./copy.js";
import { h, sign } from "./dom.js";
import { crop } from "./image.js";
import { number, percent, t } from "./language.js";
import { doubts, judged } from "./quality.js";
import { addBox, addPoints } from "./shot.js";
import { strip, used } from "./vector.js";

const CROP = 152; // twice the shown size, for screens with two pixels per point
const MANY = 12; // more faces than this are drawn without landmarks
const FACTS = ["confidence", "face-size", "sharpness", "brightness"];

/** What is shown for a face, for those who have none yet. */
export const explanation = () => h("dl", { class: "explained" }, [...FACTS, "vector"].map((name) => h("div", {}, h("dt", {}, t(`detect.${name}`)), h("dd", {}, t(`explain.${name}`)))));

/** Boxes on the image and cards beside it, each lighting up the other. */
export function faceCards(drawn, faces, compareFace) {
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
