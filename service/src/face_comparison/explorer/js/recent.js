/** The images of this visit, kept in memory only: each can be shown again, and all downloaded or forgotten. */

import { fill, h, sign } from "./dom.js";
import { downloads } from "./download.js";
import { t } from "./language.js";
import { nameOf, thumbnail } from "./shot.js";

/** How many images are kept; the oldest is forgotten first. */
export const KEPT = 100;

export const countOf = (count) => (count === 1 ? t("detect.found-one") : count ? t("detect.found", { count }) : t("recent.none"));

/** Faces as rows of a table. Pure. */
export const FACE_HEAD = ["face", "left", "top", "width", "height", "confidence", "face_size", "sharpness", "brightness", "reliable"];
export const faceRows = (faces) => faces.map(({ BoundingBox: box, Confidence: confidence, Quality: quality }, i) => [i + 1, box.Left, box.Top, box.Width, box.Height, confidence, quality.FaceSize, quality.Sharpness, quality.Brightness, quality.Reliable]);

/** The same for several entries, and a row for each that has no face or failed. Pure. */
export function table(entries) {
  const rows = ({ subject, answer, error }) => {
    const faces = faceRows(answer?.reply.Faces ?? []);
    return (faces.length ? faces : [FACE_HEAD.map(() => "")]).map((row) => [nameOf(subject), ...row, error?.code ?? ""]);
  };
  return { head: ["image", ...FACE_HEAD, "error"], rows: entries.filter(({ busy }) => !busy).flatMap(rows) };
}

const replies = (entries) => entries.filter(({ busy }) => !busy).map(({ subject, answer, error }) => ({ Image: nameOf(subject), ...(answer?.reply ?? { Error: { code: error.code, message: error.message } }) }));

/**
 * The strip of recent images. choose(entry), forget(): buttons were pressed. Its method show({entries, current}) changes
 * only what is new, so that neither focus nor scroll position is lost while results come in.
 */
export function recentStrip({ choose, forget }) {
  let shown = [];
  const thumbs = new Map();
  const title = h("h2", { class: "small", id: "recent-title" });
  const strip = h("div", { class: "strip single", role: "group", "aria-labelledby": "recent-title" });
  const save = downloads("images", { toJSON: () => replies(shown) }, () => table(shown));
  const root = h("div", { class: "stack tight recent", hidden: true }, h("div", { class: "row apart" }, title, h("span", { class: "row" }, save, h("button", { type: "button", class: "small", onclick: forget }, sign("no"), t("recent.forget")))), strip);
  root.show = ({ entries, current }) => {
    shown = entries;
    root.hidden = entries.length < 2;
    const left = entries.filter(({ busy }) => busy).length;
    title.textContent = left ? t("recent.working", { done: entries.length - left, count: entries.length }) : t("recent.title", { count: entries.length });
    for (const [entry, element] of thumbs) {
      if (entries.includes(entry)) continue;
      element.remove();
      thumbs.delete(entry);
    }
    for (const entry of entries) {
      if (!thumbs.has(entry)) {
        thumbs.set(entry, thumb(entry, choose));
        strip.append(thumbs.get(entry));
      }
      thumbs.get(entry).update(entry === current);
    }
    const chosen = thumbs.get(current);
    if (chosen) strip.scrollLeft = chosen.offsetLeft - strip.offsetLeft - (strip.clientWidth - chosen.offsetWidth) / 2;
  };
  return root;
}

function thumb(entry, choose) {
  const says = h("span");
  const element = h("button", { type: "button", class: "thumb", onclick: () => choose(entry) }, thumbnail(entry.subject), says, h("em", {}, nameOf(entry.subject)));
  element.update = (pressed) => {
    const { answer, error } = entry;
    element.setAttribute("aria-pressed", String(pressed));
    says.classList.toggle("other-text", Boolean(error));
    fill(says, error && sign("warn"), document.createTextNode(error ? t("recent.failed") : answer ? countOf(answer.reply.Faces.length) : t("recent.waiting")));
  };
  return element;
}
