/** The comparisons of this visit, kept in memory only: each can be shown again without being sent again. */

import { fill, h, sign } from "./dom.js";
import { t } from "./language.js";
import { nameOf, thumbnail } from "./shot.js";
import { KINDS, SIGNS } from "./verdict.js";

/** How many comparisons are kept; the oldest is forgotten first. */
export const KEPT = 20;

/**
 * The strip of comparisons, newest first. An entry is {source, targets, answer}. verdictOf(entry): of its first target,
 * none without one. choose(entry), forget(): buttons were pressed.
 */
export function earlierComparisons({ entries, current, verdictOf, choose, forget }) {
  if (entries.length < 2) return null;
  const title = h("h2", { class: "small", id: "earlier-title" }, t("compare.earlier", { count: entries.length }));
  const button = h("button", { type: "button", class: "small", onclick: forget }, sign("no"), t("compare.forget"));
  const strip = h("div", { class: "strip single", role: "group", "aria-labelledby": "earlier-title" });
  fill(strip, entries.toReversed().map((entry) => thumb(entry, entry.answer === current, verdictOf(entry), choose)));
  return h("section", { class: "card stack tight earlier", "aria-labelledby": "earlier-title" }, h("div", { class: "row apart" }, title, button), strip);
}

function thumb(entry, pressed, verdict, choose) {
  const { source, targets } = entry;
  const kind = verdict === "none" ? "other" : KINDS[verdict];
  const words = targets.length === 1 ? t(`verdict.short-${verdict}`) : t("compare.earlier-images", { count: targets.length });
  return h(
    "button",
    { type: "button", class: "thumb", "aria-pressed": String(pressed), onclick: () => choose(entry) },
    thumbnail(targets[0]),
    targets.length === 1 ? h("span", { class: `${kind}-text` }, sign(verdict === "none" ? "warn" : SIGNS[verdict]), words) : h("span", {}, words),
    h("em", {}, `${nameOf(source)} / ${nameOf(targets[0])}`),
  );
}
