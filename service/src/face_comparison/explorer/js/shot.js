/** An image with boxes on its faces, as HTML above the image, so that keyboard and screen reader reach every face. */

import { h, sign, styled } from "./dom.js";
import { t } from "./language.js";

const GUESSED_FACE = 0.78; // width by height of a usual face box

/**
 * Show an image, or a plate in its place when only the service has seen it.
 *
 * subject: {image} or {url}; boxes: for a guess of the shape of an image that is not here. tall: the greatest share
 * of the window's height. Returns {root, element}; element null: there is none.
 */
export function shot(subject, { label, tall = 0.68, boxes = [] }) {
  const { image } = subject;
  const here = image?.width > 0;
  const ratio = here ? image.width / image.height : guessedRatio(boxes);
  const element = here ? h("img", { src: image.src, alt: "" }) : null;
  const plate = h("div", { class: "plate" }, h("span", {}, t(image ? "image.unseen" : subject.hash ? "image.hash" : "image.by-url")));
  const root = h("div", { class: "shot", role: "group", "aria-label": label }, element ?? plate);
  styled(root, { "aspect-ratio": String(ratio), width: `min(100%, calc(${100 * tall}vh * ${ratio}))` });
  return { root, element };
}

function guessedRatio(boxes) {
  const ratios = boxes.filter((box) => box.Width > 0 && box.Height > 0).map((box) => (GUESSED_FACE * box.Height) / box.Width);
  if (!ratios.length) return 4 / 3;
  return Math.min(2.5, Math.max(0.4, ratios.sort((one, other) => one - other)[ratios.length >> 1]));
}

/** Draw a face's box on a shot. Returns the button; onlit(on): pointed at or focused. */
export function addBox(root, box, { label, text, kind = "", onlit = () => {}, onchosen = () => {} }) {
  const button = h(
    "button",
    {
      type: "button",
      class: `box ${kind}${box.Top < 0.05 ? " low" : ""}${box.Left + box.Width > 0.9 ? " end" : ""}`,
      "aria-label": label,
      onmouseenter: () => onlit(true),
      onmouseleave: () => onlit(false),
      onfocus: () => onlit(true),
      onblur: () => onlit(false),
      onclick: onchosen,
    },
    h("b", {}, text),
  );
  styled(button, { left: share(box.Left), top: share(box.Top), width: share(box.Width), height: share(box.Height) });
  root.append(button);
  return button;
}

/** Draw landmarks: [{X, Y}]. */
export function addPoints(root, points) {
  for (const point of points) root.append(styled(h("i", { class: "point" }), { left: share(point.X), top: share(point.Y) }));
}

/** Take boxes and landmarks off a shot. */
export function clear(root) {
  for (const element of root.querySelectorAll(".box, .point")) element.remove();
}

const share = (fraction) => `${100 * fraction}%`;

/** A small image of a subject, or a sign where there is none. */
export function thumbnail(subject) {
  if (subject.image?.width) return h("img", { src: subject.image.src, alt: "" });
  return h("span", { class: "nocrop" }, sign(subject.hash ? "face" : subject.url ? "globe" : "image"));
}

/** What a subject is called: the visitor's own file, not the copy of it. */
export const nameOf = ({ image, url, hash }) => image?.original ?? image?.name ?? url ?? (hash ? t("intake.hash") : "");
