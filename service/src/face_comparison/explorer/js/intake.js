/** Where images come in: dropped, pasted, chosen, photographed, by URL, as a stored hash, or the built-in sample. */

import { fill, h, sign } from "./dom.js";
import { isImage } from "./image.js";
import { t } from "./language.js";

const SAMPLE = "explorer/sample.jpg";
const FETCHED = /^(https?|s3):\/\/\S+$/i;
const ACCEPTED = "image/*,.heic,.heif,.avif,.webp,.bmp";

/**
 * An intake; it stays what it is while images come and go, so that nothing typed is lost.
 *
 * take(files): a list of {blob, name, made}; takeUrl(text), takeHash({vector, version}): null where there is none of it.
 * room: how many images may still come, a function. samples: {words: what a button with them does}. service: what it
 * accepts. typed: text of the field to begin with. Its method `compact(on)` makes it small once an image is there.
 */
export function intake({ take, takeUrl = null, takeHash = null, room = () => 1, many = false, samples = {}, service, typed = "" }) {
  const says = h("p", { class: "small other-text", role: "alert", hidden: true });
  const complain = (text) => {
    says.textContent = text;
    says.hidden = !text;
  };
  const given = async (files) => {
    const images = [];
    const problems = [];
    for (const file of files) {
      if (await isImage(file, file.name ?? "")) images.push(file);
      else problems.push(t("intake.not-image", { name: file.name }));
    }
    const left = Math.max(0, room());
    if (images.length > left) problems.push(many ? t("intake.too-many", { count: images.length - left }) : t("intake.only-first", { name: images[0].name, count: images.length - 1 }));
    complain(problems.join(" "));
    const taken = images.slice(0, left).map((blob) => ({ blob, name: blob.name || "image.png", made: Boolean(blob.made) || !blob.name }));
    if (taken.length) await take(taken);
  };
  const typing = field({ takeUrl, takeHash, complain, typed });
  const zone = h("div", { class: "drop" });
  const root = h("div", { class: "intake" }, zone, typing, says);
  root.compact = (on) => {
    root.classList.toggle("compact", on);
    const choose = many ? (on ? "intake.add" : "intake.choose-many") : on ? "intake.another" : "intake.choose";
    fill(
      zone,
      sign("image"),
      h("p", {}, h("b", {}, t(many ? "intake.drop-many" : "intake.drop")), h("br"), h("span", { class: "faint small" }, t("intake.formats", { formats: service.formats.map(labelOf).join(", ") }))),
      h(
        "div",
        { class: "row" },
        chooser(t(choose), !on, "image", { multiple: many }, given),
        cameraButton(given),
        !on && Object.entries(samples).map(([words, action]) => h("button", { type: "button", onclick: action }, sign("face"), words)),
      ),
    );
  };
  root.compact(false);
  Object.assign(root, { given, complain, takeUrl, takeHash, typed: () => typing?.elements[0].value ?? "" });
  return root;
}

const labelOf = (format) => (format === "webp" ? "WebP" : format.toUpperCase());

/** A phone takes the photograph with its own camera program; elsewhere the page opens the camera itself. */
function cameraButton(given) {
  if (matchMedia("(pointer: coarse)").matches) return chooser(t("intake.camera"), false, "camera", { capture: "environment" }, given);
  if (!navigator.mediaDevices?.getUserMedia) return null;
  const open = async () => {
    const photograph = await (await import("./camera-dialog.js")).photograph();
    if (photograph) given([photograph]);
  };
  return h("button", { type: "button", onclick: open }, sign("camera"), t("intake.camera"));
}

function chooser(text, main, drawing, attributes, given) {
  const input = h("input", {
    type: "file",
    accept: ACCEPTED,
    class: "unseen",
    ...attributes,
    onchange: (event) => {
      given([...event.target.files]);
      event.target.value = ""; // so that the same file can be chosen again
    },
  });
  return h("label", { class: `button${main ? " main" : ""}` }, sign(drawing), text, input);
}

function field({ takeUrl, takeHash, complain, typed }) {
  if (!takeUrl) return null;
  const name = t(takeHash ? "intake.url-or-hash" : "intake.url");
  const input = h("input", { type: "text", inputmode: "url", autocomplete: "off", spellcheck: "false", placeholder: t("intake.url-example"), "aria-label": name, value: typed });
  const submitted = (event) => {
    event.preventDefault();
    const text = input.value.trim();
    const hash = takeHash && parseHash(text);
    if (!hash && !FETCHED.test(text)) return complain(t(takeHash && /^[[{]/.test(text) ? "intake.bad-hash" : "intake.bad-url"));
    complain("");
    return hash ? takeHash(hash) : takeUrl(text);
  };
  return h("form", { class: "url", novalidate: true, onsubmit: submitted }, input, h("button", { type: "submit" }, t("intake.fetch")));
}

/** A stored hash: the numbers alone, or an object with `face_hash` and `FaceModelVersion`; null for other text. */
export function parseHash(text) {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    const value = JSON.parse(text);
    const face = Array.isArray(value) ? { face_hash: value } : value.Faces ? { FaceModelVersion: value.FaceModelVersion, ...value.Faces[0] } : value;
    const vector = face.face_hash;
    return Array.isArray(vector) && vector.length > 0 && vector.every((item) => typeof item === "number") ? { vector, version: face.FaceModelVersion ?? null } : null;
  } catch {
    return null;
  }
}

/** The built-in sample. */
export async function sample() {
  const response = await fetch(new URL(SAMPLE, document.baseURI));
  return [{ blob: await response.blob(), name: "sample.jpg", made: true }];
}

/** A copy of the sample that is mirrored, tilted and darker: for want of a second photograph that may be shipped. */
export async function changedSample() {
  const [{ blob }] = await sample();
  const bitmap = await createImageBitmap(blob);
  const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
  const context = canvas.getContext("2d");
  context.fillStyle = "#333";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.filter = "brightness(0.7)";
  context.translate(canvas.width / 2, canvas.height / 2);
  context.rotate(0.1);
  context.scale(-0.9, 0.9);
  context.drawImage(bitmap, -canvas.width / 2, -canvas.height / 2);
  const changed = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
  return [{ blob: changed, name: "sample-changed.jpg", made: true }];
}

/** Let an element take what is dropped anywhere on it for an intake. */
export function acceptDrops(element, target) {
  element.dataset.takes = "";
  element.intake = target;
}

/** Give what is pasted or dropped anywhere on the page to the intake under it, else to the one that `current` returns. */
export function acceptTransfers(current) {
  const under = (event) => event.target.closest?.("[data-takes]")?.intake ?? current();
  const light = (intake) => document.querySelectorAll(".intake").forEach((each) => each.classList.toggle("over", each === intake));
  document.addEventListener("paste", (event) => {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
    if (transfer(event.clipboardData, current(), event.clipboardData?.getData("text/plain") ?? "")) event.preventDefault();
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // else the browser would leave the page for what is dropped
    light(under(event));
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? light(null));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    light(null);
    transfer(event.dataTransfer, under(event), event.dataTransfer.getData("text/uri-list").split("\n")[0]);
  });
}

/** Returns whether the intake takes what was transferred. */
function transfer(data, target, text) {
  const files = [...(data?.files ?? [])];
  const hash = target?.takeHash && parseHash(text);
  if (!target) return false;
  if (files.length) target.given(files);
  else if (hash) target.takeHash(hash);
  else if (target.takeUrl && FETCHED.test(text.trim())) target.takeUrl(text.trim());
  else return false;
  return true;
}
