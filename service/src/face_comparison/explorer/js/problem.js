/** An error as words that help, with a way on. */

import { h, sign } from "./dom.js";
import { meaning, t } from "./language.js";

const TEMPORARY = ["overloaded", "unreachable", "deadline_exceeded", "url_fetch_timeout", "unexpected", "store_unavailable", "internal"];
const WAITING = ["not_ready", "draining"];
export const ABOUT_THE_KEY = ["unauthorized", "forbidden", "not_permitted"];

/**
 * error: a ServiceError. again: tries once more: pressed where that can help, called by itself while the service loads
 * and after another API key was given. name: of the image that it is about.
 */
export function problem(error, again, name = "") {
  const known = meaning(error.code);
  const waiting = WAITING.includes(error.code);
  const notice = h(
    "div",
    { class: `notice ${waiting ? "info" : "wrong"}`, role: waiting ? "status" : "alert" },
    sign("warn"),
    h(
      "div",
      {},
      h("h3", {}, t(waiting ? "state.waiting" : "error.title")),
      name && h("p", { class: "subject" }, name),
      h("p", {}, (known ?? error.message ?? "").replace("{status}", error.status)),
      known && error.message && !waiting && h("p", { class: "small faint" }, error.message),
      error.requestId && !waiting && h("p", { class: "small faint" }, t("error.request-id", { code: error.code, id: error.requestId })),
      ABOUT_THE_KEY.includes(error.code) && h("button", { type: "button", class: "small", onclick: enterKey }, t("error.enter-key")),
      again && TEMPORARY.includes(error.code) && h("button", { type: "button", class: "small", onclick: again }, t("error.retry")),
    ),
  );
  const retry = () => notice.isConnected && again?.();
  if (waiting) setTimeout(retry, 1000 * (error.retryAfter || 1));
  if (ABOUT_THE_KEY.includes(error.code)) document.addEventListener("key", retry, { once: true });
  return notice;
}

const enterKey = async () => (await import("./dialogs.js")).askKey();
