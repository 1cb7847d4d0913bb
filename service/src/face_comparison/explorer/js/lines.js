/** Lines between boxes of two images that stand side by side, or one above the other where the page is narrow. */

import { s } from "./dom.js";

/** Keep lines drawn inside `pair`. links: [{from, to, kind}], boxes and the class of their line. */
export function joined(pair, links) {
  const svg = s("svg", { "aria-hidden": "true" });
  pair.append(svg);
  const draw = () => {
    const frame = pair.getBoundingClientRect();
    svg.replaceChildren(
      ...links.flatMap(({ from, to, kind }) => {
        const ends = nearest(from.getBoundingClientRect(), to.getBoundingClientRect(), frame);
        return [s("line", { class: "under", ...ends }), s("line", { class: kind, ...ends })];
      }),
    );
  };
  new ResizeObserver(draw).observe(pair);
  draw();
}

/** From edge to edge: sideways where the boxes stand beside each other, else downwards. */
function nearest(one, other, frame) {
  const sideways = other.left >= one.right;
  const [x1, y1] = sideways ? [one.right, one.top + one.height / 2] : [one.left + one.width / 2, one.bottom];
  const [x2, y2] = sideways ? [other.left, other.top + other.height / 2] : [other.left + other.width / 2, other.top];
  return { x1: x1 - frame.left, y1: y1 - frame.top, x2: x2 - frame.left, y2: y2 - frame.top };
}
