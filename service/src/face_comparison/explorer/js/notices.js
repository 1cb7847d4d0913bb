/** One notice about all images of which the page sends a copy. */

import { h, sign } from "./dom.js";
import { t } from "./language.js";

/** images: those that are sent; null when all are sent as they are. */
export function copiesNotice(images) {
  const copies = images.filter((image) => image.reason);
  if (!copies.length) return null;
  const lines = copies.map((image) => h("li", {}, t(image.reason === "format" ? "copy.converted" : "copy.smaller", { name: image.original, width: image.width, height: image.height })));
  return h(
    "div",
    { class: "notice info copies", role: "status" },
    sign("image"),
    h("div", {}, h("p", {}, t(copies.length === 1 ? "copy.one" : "copy.many", { count: copies.length })), copies.length > 1 ? h("details", {}, h("summary", { class: "small" }, t("copy.which")), h("ul", { class: "small faint" }, lines)) : h("ul", { class: "small faint" }, lines)),
  );
}
