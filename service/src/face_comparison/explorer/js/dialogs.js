/** Questions that need an answer before anything goes on. */

import { h } from "./dom.js";
import { number, size, t } from "./language.js";
import { fitted, obstacle, smaller } from "./image.js";
import { hasKey, useKey } from "./service.js";

/** Show a modal dialog; resolves with the value of the button that closed it, "" for Escape. */
function asked(title, content, buttons) {
  const heading = h("h2", { id: "dialog-title" }, title);
  const form = h("form", { method: "dialog" }, heading, content, h("div", { class: "row" }, buttons));
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    }),
  );
}

const button = (value, text, main = false) => h("button", { value, class: main ? "main" : "", type: "submit" }, text);

/** An image that the service takes: itself, or a smaller copy if the visitor agrees; null: not to be sent. */
export async function acceptable(image, limits) {
  const reason = obstacle(image, limits);
  if (!reason) return image;
  const side = limits.max_side_pixels;
  const fits = fitted(image.width, image.height, side);
  const why = t(`shrink.${reason}`, {
    name: image.name,
    width: image.width,
    height: image.height,
    type: image.type.replace("image/", "").toUpperCase() || "?",
    bytes: size(image.blob.size),
    limit: reason === "bytes" ? size(limits.max_body_bytes) : number(side, 0),
  });
  const answer = await agreed(why, t("shrink.offer", fits));
  return answer ? smaller(image, side, limits.max_body_bytes) : null;
}

/** Images that fit into one request together: themselves, or smaller copies if the visitor agrees; null: not. */
export async function acceptableTogether(images, limits) {
  const total = images.reduce((sum, image) => sum + image.blob.size, 0);
  const room = limits.max_body_bytes - 1024 * images.length - 4096; // what stands between the parts of a form
  if (total <= room) return images;
  const side = 1280;
  const why = t("shrink.total", { bytes: size(total), limit: size(limits.max_body_bytes) });
  if (!(await agreed(why, t("shrink.offer-all", { side })))) return null;
  const copies = [];
  for (const image of images) copies.push(image.width ? await smaller(image, side, room / images.length) : image);
  return copies;
}

async function agreed(why, offer) {
  const content = [h("p", {}, why), h("p", { class: "faint" }, offer)];
  const buttons = [button("no", t("shrink.no")), button("yes", t("shrink.yes"), true)];
  return (await asked(t("shrink.title"), content, buttons)) === "yes";
}

/** Ask for an API key and keep it in memory. */
export async function askKey() {
  const input = h("input", { type: "password", id: "api-key", autocomplete: "off", spellcheck: "false" });
  const content = [h("p", { class: "faint" }, t("key.text")), h("label", { for: "api-key", class: "unseen" }, t("key.label")), input];
  const buttons = [
    button("no", t("cancel")),
    hasKey() && button("forget", t("key.forget")),
    button("yes", t("key.use"), true),
  ].filter(Boolean);
  // Enter takes the first button of a form.
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    buttons.at(-1).click();
  });
  const asking = asked(t("key.title"), content, buttons);
  input.focus();
  const answer = await asking;
  if (answer === "forget") useKey("");
  else if (answer === "yes" && input.value.trim()) useKey(input.value);
}
