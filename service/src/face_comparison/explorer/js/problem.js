/** An error as words that help. */

import { h, sign } from "./dom.js";
import { meaning, t } from "./language.js";

/** error: a ServiceError; again: called by the button that tries once more, where that can help. */
export function problem(error, again) {
  const known = meaning(error.code);
  const temporary = ["overloaded", "not_ready", "draining", "unreachable", "deadline_exceeded", "url_fetch_timeout", "unexpected"];
  return h(
    "div",
    { class: "notice wrong", role: "alert" },
    sign("warn"),
    h(
      "div",
      {},
      h("h3", {}, t("error.title")),
      h("p", {}, (known ?? error.message ?? "").replace("{status}", error.status)),
      known && error.message && h("p", { class: "small faint" }, error.message),
      error.requestId && h("p", { class: "small faint" }, t("error.request-id", { code: error.code, id: error.requestId })),
      again && temporary.includes(error.code) && h("button", { type: "button", class: "small", onclick: again }, t("error.retry")),
    ),
  );
}
