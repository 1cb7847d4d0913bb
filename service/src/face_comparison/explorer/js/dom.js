/** Making elements; nothing here knows what they are for. */

const SVG = "http://www.w3.org/2000/svg";

/** An element: properties by name (`class`, `on…` handlers, `data-…`, `aria-…`), then children; null ones are left out. */
export function h(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function s(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (name in element && !(element instanceof SVGElement) && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Set styles from script: the page's policy allows no style attributes. */
export function styled(element, styles) {
  for (const [name, value] of Object.entries(styles)) element.style.setProperty(name, value);
  return element;
}

const SIGNS = {
  image: "M4 5h16v14H4zM4 16l4.5-4.5 3.5 3.5 3-3 5 5M15.5 9.2v.1",
  camera: "M4 8h3.5L9 5.5h6L16.5 8H20v11H4zM12 16.2a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  done: "M5 12.5l4.5 4.5L19 7.5",
  no: "M6 6l12 12M18 6L6 18",
  warn: "M12 4 2.8 20h18.4zM12 10v4.5M12 17.2v.1",
  face: "M8 10v1M16 10v1M8 15.2c2.4 2.4 5.6 2.4 8 0M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17z",
  globe: "M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17zM3.5 12h17M12 3.5c-5 5-5 12 0 17M12 3.5c5 5 5 12 0 17",
  key: "M14.5 4.5a5 5 0 1 1-3.6 8.4L4 19.8V20h3v-2.5h2.5V15M16 8.2v.1",
  sun: "M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  swap: "M4 8h13l-3.5-3.5M20 16H7l3.5 3.5",
  save: "M12 4v11M7.5 10.5 12 15l4.5-4.5M4.5 19.5h15",
  person: "M12 4a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM4.5 20c1-4 4-6 7.5-6s6.5 2 7.5 6",
  half: "M12 3.5a8.5 8.5 0 1 1 0 17zM12 3.5a8.5 8.5 0 0 0 0 17",
};

/** A small drawing beside words; hidden from screen readers, which have the words. */
export function sign(name) {
  return s("svg", { class: "sign", viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: SIGNS[name] }));
}

/** Replace everything in an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
  return element;
}

/** Do something after the next frame has been painted. */
export const afterPaint = (task) => requestAnimationFrame(() => setTimeout(task));

/** Bring a part of the page into view where it is not. */
export function bringIntoView(element) {
  const { top } = element.getBoundingClientRect();
  if (top >= 0 && top < 0.75 * innerHeight) return;
  element.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

/** Let the browser save text as a file. */
export function save(text, name, type) {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Give the focus to a part of the page when what had it is gone. */
export function keepFocus(element) {
  if (document.activeElement === document.body) element.focus({ preventScroll: true });
}

/** Say something to those who listen to the page instead of looking at it. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}
