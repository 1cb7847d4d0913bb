/** A face's vector as a strip of colors: one column a number, blue below zero, orange above. */

import { h } from "./dom.js";
import { t } from "./language.js";

/** Numbers before the zeros that only fill the vector up to its width. */
export function used(vector) {
  let count = vector.length;
  while (count > 0 && vector[count - 1] === 0) count -= 1;
  return count;
}

export function strip(vector) {
  const count = used(vector);
  const canvas = h("canvas", { width: Math.max(1, count), height: 1, role: "img", "aria-label": t("detect.vector-label", { used: count }) });
  paint(canvas, vector.slice(0, count));
  return canvas;
}

function paint(canvas, numbers) {
  const style = getComputedStyle(document.documentElement);
  const [low, zero, high] = ["low", "zero", "high"].map((name) => style.getPropertyValue(`--vector-${name}`).trim().split(" ").map(Number));
  // The largest numbers alone would leave all others pale.
  const most = 2.2 * Math.sqrt(numbers.reduce((sum, value) => sum + value * value, 0) / numbers.length) || 1;
  const context = canvas.getContext("2d");
  numbers.forEach((value, column) => {
    const share = Math.min(1, Math.abs(value) / most);
    const end = value < 0 ? low : high;
    context.fillStyle = `rgb(${zero.map((from, i) => Math.round(from + share * (end[i] - from))).join(" ")})`;
    context.fillRect(column, 0, 1, 1);
  });
}
