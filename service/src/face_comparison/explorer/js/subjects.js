/** What can be compared, and how it is sent. A subject is {image}, {url} or {hash}, with `face` where one was chosen. */

import { h, sign } from "./dom.js";
import { t } from "./language.js";
import { ENDPOINTS, send } from "./service.js";
import { addBox, nameOf, shot, thumbnail } from "./shot.js";

/** The JSON object of a subject without an image file; null for one that needs a file. */
export function jsonOf({ url, hash, face }) {
  const { vector, version } = face ?? hash ?? {};
  if (vector) return { face_hash: vector, ...(version ? { FaceModelVersion: version } : {}) };
  return url ? { url } : null;
}

/** The request that compares, as samples.js describes it. threshold null: the service's own. */
export function comparison(service, source, targets, threshold) {
  const base = { url: ENDPOINTS.compare, key: service.auth !== "none" };
  const all = [source, ...targets].map(jsonOf);
  const given = threshold === null ? {} : { threshold };
  if (all.every(Boolean)) return { ...base, json: { source: all[0], targets: all.slice(1), ...given } };
  const part = (name, subject) => {
    const json = jsonOf(subject);
    if (!json) return { name, file: subject.image.name, blob: subject.image.blob };
    return { name, text: json.url ?? JSON.stringify(json) };
  };
  return { ...base, form: [part("source", source), ...targets.map((target) => part("target", target)), ...(threshold === null ? [] : [{ name: "threshold", text: String(threshold) }])] };
}

/** Every face of an image: {faces, version}. Throws ServiceError. */
export async function facesOf(service, { image, url }) {
  const key = service.auth !== "none";
  const request = image ? { url: ENDPOINTS.detect, key, image: { blob: image.blob, type: image.type || "application/octet-stream" } } : { url: ENDPOINTS.detect, key, json: { url } };
  const { reply } = await send(request);
  return { faces: reply.Faces, version: reply.FaceModelVersion };
}

/** The subject with one of its faces chosen: the one whose box lies nearest to `box`. */
export function withFace(subject, { faces, version }, box) {
  const off = ({ BoundingBox: other }) => Math.hypot(other.Left - box.Left, other.Top - box.Top, other.Width - box.Width, other.Height - box.Height);
  const face = faces.toSorted((one, other) => off(one) - off(other))[0];
  return { ...subject, face: { vector: face.face_hash, version, box: face.BoundingBox } };
}

/** A picker of faces: the image with a box on each. chosen(box): a face was clicked. */
export function facePicker(subject, { faces }, chosen) {
  const drawn = shot(subject, { label: t("faces.choose"), tall: 0.5, boxes: faces.map((face) => face.BoundingBox) });
  faces.forEach((face, i) => addBox(drawn.root, face.BoundingBox, { label: t("faces.use", { number: i + 1 }), text: String(i + 1), onchosen: () => chosen(face.BoundingBox) }));
  return h("div", { class: "stack" }, h("p", { class: "small faint" }, t("faces.choose")), drawn.root);
}

/** A small card of a subject with a button that removes it. */
export function item(subject, remove) {
  const name = nameOf(subject);
  return h("div", { class: "item" }, thumbnail(subject), h("p", {}, name, subject.face && h("b", {}, ` · ${t("faces.chosen")}`)), h("button", { type: "button", class: "away", "aria-label": t("intake.remove", { name }), onclick: () => remove(subject) }, sign("no")));
}
