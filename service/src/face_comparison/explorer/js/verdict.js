/** What a distance means for those who must act on it. Pure but for `verdictBlock`, which makes elements. */

import { h, sign } from "./dom.js";
import { meaning, number, percent, t } from "./language.js";

export const KINDS = { same: "same", review: "unsure", different: "other" }; // classes of their colors
export const SIGNS = { same: "done", review: "warn", different: "no" };

/**
 * same, review or different by the threshold that is tried; `found`: a target or one of its faces, judged by the service
 * at the threshold `judgedAt`. defaults: the service's, with the limits of `review` at its own threshold.
 */
export function verdictAt(found, threshold, judgedAt, defaults) {
  const given = found.Verdict ?? (found.SamePerson ? "same" : "different");
  if (threshold === judgedAt) return given;
  const by = (at) => {
    const shift = at - defaults.threshold;
    if (found.Distance <= defaults.same_below + shift) return "same";
    return found.Distance > defaults.different_above + shift ? "different" : "review";
  };
  // Where the service doubts a face although the distance is clear, no threshold makes it sure.
  return given === "review" && by(judgedAt) !== "review" ? "review" : by(threshold);
}

/** Cosine of the angle between two normalized vectors at this Euclidean distance. */
export const cosine = (distance) => 1 - (distance * distance) / 2;

/** The verdict, why, and what to do next, as sentences. */
export function sentences({ Distance: distance, Confidence: confidence }, verdict, threshold) {
  const same = distance <= threshold;
  const sure = same ? confidence : 1 - confidence;
  // Below a half the threshold says one thing and the probability the other: the visitor has moved it far.
  const how = sure > 0.99 ? "sure" : sure > 0.9 ? "very-likely" : sure > 0.7 ? "likely" : sure > 0.3 ? "unsure" : "by-threshold";
  const filling = { sure: capital(t(`compare.${how}`)), distance: number(distance, 3), threshold: number(threshold, 3) };
  return [
    `${t(`verdict.${verdict}`)}.`,
    t(same ? "compare.sentence-same" : "compare.sentence-other", filling),
    t("compare.probability", { confidence: percent(confidence) }),
    t(`compare.next-${verdict}`),
  ];
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** own: what the service's own threshold says, and that threshold. */
export function verdictBlock(target, verdict, threshold, own) {
  if (target.Error) {
    const { code, message } = target.Error;
    return h("div", { class: "notice info" }, sign("warn"), h("div", {}, h("h3", {}, t("verdict.none")), h("p", {}, meaning(code) ?? message), h("p", { class: "small faint" }, `${code}: ${message}`)));
  }
  const [, sentence, probability, next] = sentences(target, verdict, threshold);
  return h(
    "div",
    { class: `verdict ${KINDS[verdict]}` },
    h("strong", {}, sign(SIGNS[verdict]), t(`verdict.${verdict}`)),
    h("p", {}, sentence),
    h("p", {}, probability),
    h("p", { class: "next" }, next),
    own.verdict !== verdict && h("p", { class: "small" }, t("compare.moved", { threshold: number(own.threshold, 3), verdict: t(`verdict.${own.verdict}`) })),
  );
}
