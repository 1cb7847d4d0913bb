/** Distances on a scale from 0 to 2: what was found, where the threshold is, and what is usual. */

import { h, s } from "./dom.js";
import { number, percent, t } from "./language.js";
import { below, density, measured } from "./measured.js";

const [WIDTH, HEIGHT, BASE, TOP, FARTHEST] = [460, 184, 142, 30, 2];
const x = (distance) => (distance / FARTHEST) * WIDTH;

/**
 * The scale. marks: [{distance, chosen}]; own: the service's threshold; threshold: the one that is tried;
 * moved(threshold): called while the slider moves. The returned element has show(threshold).
 */
export function scale({ version, marks, own, threshold, moved }) {
  const hills = measured(version);
  const svg = s("svg", { viewBox: `-9 0 ${WIDTH + 18} ${HEIGHT}`, role: "img" });
  const range = h("input", { type: "range", id: "threshold", min: "0", max: String(FARTHEST), step: "0.001", value: String(threshold), oninput: () => moved(Number(range.value)) });
  const value = h("output", { for: "threshold" });
  const back = h("button", { type: "button", class: "small", onclick: () => moved(own) });
  const words = h("p", { class: "small faint" });
  const root = h(
    "div",
    { class: "scale" },
    svg,
    range,
    h("div", { class: "row apart" }, h("label", { for: "threshold" }, h("b", {}, `${t("compare.threshold")} `), value), back),
    words,
  );
  root.show = (tried) => {
    range.value = String(tried);
    value.textContent = number(tried, 3);
    back.textContent = t("compare.reset", { threshold: number(own, 3) });
    back.disabled = tried === own;
    svg.setAttribute("aria-label", t("compare.scale-label", { threshold: number(tried, 3), distances: marks.map(({ distance }) => number(distance, 3)).join(", ") }));
    svg.replaceChildren(...(hills ? [hill(hills.same, "same"), hill(hills.other, "other")] : []), ...axis(), ...lines(tried, own), ...marks.toSorted((one, other) => one.chosen - other.chosen).map((mark) => pin(mark, tried)));
    words.textContent = hills ? t("compare.hills", { pairs: hills.pairs, missed: percent(1 - below(hills.same, tried)), confused: percent(below(hills.other, tried)) }) : "";
  };
  root.show(threshold);
  return root;
}

function hill(curve, kind) {
  const points = Array.from({ length: 121 }, (_, i) => {
    const distance = curve.mean + ((i - 60) / 15) * curve.deviation;
    return `${x(distance).toFixed(1)},${(BASE - 92 * density(curve, distance)).toFixed(1)}`;
  });
  return s("g", {}, s("polyline", { class: `hill-${kind}`, points: points.join(" ") }), s("text", { class: `word ${kind}-fill`, x: x(curve.mean) - (kind === "other" ? 28 : 0), y: BASE - 98 }, t(`compare.hill-${kind}`)));
}

const axis = () => [
  s("line", { class: "axis", x1: 0, x2: WIDTH, y1: BASE, y2: BASE }),
  ...[0, 0.5, 1, 1.5, 2].map((at) => s("g", {}, s("line", { class: "axis", x1: x(at), x2: x(at), y1: BASE, y2: BASE + 5 }), s("text", { class: "tick", x: x(at), y: BASE + 20 }, number(at, 1)))),
  s("text", { class: "tick", x: WIDTH / 2, y: BASE + 37 }, t("compare.scale")),
];

const lines = (tried, own) => [
  tried !== own && s("line", { class: "own", x1: x(own), x2: x(own), y1: TOP - 8, y2: BASE }),
  s("line", { class: "threshold", x1: x(tried), x2: x(tried), y1: TOP - 12, y2: BASE }),
].filter(Boolean);

function pin({ distance, chosen }, threshold) {
  const kind = distance <= threshold ? "same" : "other";
  const size = chosen ? 9 : 6;
  const at = x(distance);
  return s("g", {}, s("path", { class: `mark ${kind}`, d: `M${at} ${BASE}l${-size} ${-1.9 * size}h${2 * size}z` }), chosen && s("text", { class: "value", x: Math.min(WIDTH - 20, Math.max(20, at)), y: BASE - 1.9 * size - 6 }, number(distance, 3)));
}
