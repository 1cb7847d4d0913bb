/** The ID photo: shown with its faces where it has several, as cards with a small second portrait do. */

import { h } from "../dom.js";
import { t } from "../language.js";
import { addBox, shot, thumbnail } from "../shot.js";

/** faces: as the service found them, null before. used: the one that is compared. choose(face): another was clicked. */
export function idPhoto(reference, { faces, used, choose }) {
  if (!faces || faces.length < 2) return h("div", { class: "item large" }, thumbnail(reference));
  const drawn = shot(reference, { label: t("desk.reference"), tall: 0.46, boxes: faces.map((face) => face.BoundingBox) });
  faces.forEach((face, i) => {
    const label = t(face === used ? "desk.face-used" : "faces.use", { number: i + 1 });
    const box = addBox(drawn.root, face.BoundingBox, { label, text: String(i + 1), kind: face === used ? "same" : "", onchosen: () => choose(face) });
    box.setAttribute("aria-pressed", String(face === used));
  });
  return h("div", { class: "stack tight" }, h("p", { class: "small" }, t("desk.several-in-photo", { count: faces.length })), drawn.root);
}
