/** What the desk says in the end: the verdict, what to do next, and how certain it is for those who ask. */

import { h, sign } from "../dom.js";
import { number, percent, t } from "../language.js";
import { thumbnail } from "../shot.js";
import { KINDS, SIGNS } from "../verdict.js";

export const titleOf = ({ answer: verdict, title }) => title ?? t(`desk.answer-${verdict}`);

/** seconds: after which it disappears; 0: it stays. again, next: the buttons' actions. */
export function answer(result, reference, { again, next, seconds }) {
  const { answer: verdict, reason, target, seen } = result;
  return h(
    "section",
    { class: "card stack", "aria-labelledby": "desk-answer" },
    h(
      "div",
      { class: `verdict ${KINDS[verdict]}` },
      h("strong", { id: "desk-answer" }, sign(SIGNS[verdict]), titleOf(result)),
      reason && h("p", {}, t(reason)),
      h("p", {}, t(`desk.next-${verdict}`)),
    ),
    seen && h("div", { class: "pair" }, !reference.collection && h("figure", {}, thumbnail(reference), h("figcaption", {}, t("desk.reference"))), h("figure", {}, h("img", { src: seen, alt: "" }), h("figcaption", {}, t("desk.live")))),
    h("div", { class: "row" }, h("button", { type: "button", class: "main", onclick: next }, t("desk.next")), h("button", { type: "button", onclick: again }, t("desk.again")), seconds > 0 && h("span", { class: "small faint" }, t("desk.disappears", { seconds }))),
    target && h("details", {}, h("summary", {}, t("desk.details")), h("p", { class: "small" }, t("desk.numbers", { distance: number(target.Distance, 3), confidence: percent(target.Confidence) }))),
  );
}
