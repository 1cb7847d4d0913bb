/** JSON that opens and closes. What is closed is not made yet: a reply can hold a hundred vectors. */

import { h } from "./dom.js";
import { t } from "./language.js";

const SHORT = 12; // longer arrays begin closed

export function tree(value) {
  return h("div", { class: "tree", tabindex: "0", role: "group", "aria-label": "JSON" }, node(null, value, 0));
}

function node(name, value, depth) {
  if (value === null || typeof value !== "object") return h("div", { class: "leaf" }, label(name), leaf(value));
  const list = Array.isArray(value);
  const entries = list ? [...value.entries()] : Object.entries(value);
  const [begin, end] = list ? "[]" : "{}";
  if (!entries.length) return h("div", { class: "leaf" }, label(name), begin + end);
  const inside = h("div");
  const details = h(
    "details",
    {
      ontoggle: () => {
        if (details.open && !inside.hasChildNodes()) inside.append(...entries.map(([key, item]) => node(list ? null : key, item, depth + 1)));
      },
    },
    h("summary", {}, label(name), begin, h("span", { class: "faint" }, ` ${entries.length === 1 ? t("exchange.item") : t("exchange.items", { count: entries.length })} `), end),
    inside,
  );
  details.open = depth < 4 && !(list && entries.length > SHORT && typeof value[0] !== "object") && !(list && depth > 1 && entries.length > 3);
  return details;
}

const label = (name) => (name === null ? null : [h("span", { class: "name" }, name), ": "]);

function leaf(value) {
  if (typeof value === "string") return h("span", { class: "text" }, JSON.stringify(value));
  return h("span", { class: "number" }, String(value));
}
