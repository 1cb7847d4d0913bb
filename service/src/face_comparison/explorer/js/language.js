/** The page's words in the chosen language. The choice stands in the address, because nothing is stored. */

import { en } from "./messages-en.js";

const loaded = { en };
let language = "en";

export const current = () => language;

/** The text of a key, with {names} filled in; a key that does not exist is shown, so that it is noticed. */
export function t(key, values = {}) {
  const text = loaded[language][key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** What an error code means; null when this page does not know it. */
export const meaning = (code) => loaded[language][`error.${code}`] ?? en[`error.${code}`] ?? null;

/** A date and time as the visitor writes it. */
export const moment = (iso) => new Date(iso).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });

export const number = (value, digits) =>
  value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false });

/** A probability or share as a percentage that never claims certainty. */
export function percent(share) {
  const unit = language === "zh" ? "%" : "\u00a0%";
  // No-break spaces: a sign must not stand on another line than its number.
  if (share > 0.9999) return `>\u00a0${number(99.99, 2)}${unit}`;
  if (share < 0.0001) return `<\u00a0${number(0.01, 2)}${unit}`;
  return `${number(100 * share, share > 0.999 || share < 0.01 ? 2 : 1)}${unit}`;
}

export function size(bytes) {
  const mebibytes = bytes / 2 ** 20;
  if (bytes < 1024) return `${bytes} B`;
  return mebibytes >= 1 ? `${number(mebibytes, mebibytes % 1 ? 1 : 0)} MiB` : `${number(bytes / 1024, 0)} KiB`;
}

/** Speak a language from now on: words that stand in the page change at once, pages hear the event `language`. */
export async function speak(wanted) {
  if (wanted === "zh" && !loaded.zh) loaded.zh = (await import("./messages-zh.js")).zh;
  language = wanted === "zh" ? "zh" : "en";
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of document.querySelectorAll("[data-t-label]")) element.setAttribute("aria-label", t(element.dataset.tLabel));
  document.dispatchEvent(new Event("language"));
}

/** The language to begin with: the address's, else the browser's. */
export function preferred() {
  const wanted = [new URLSearchParams(location.search).get("lang") ?? "", ...navigator.languages];
  return wanted.find((tag) => /^(en|zh)\b/i.test(tag))?.toLowerCase().startsWith("zh") ? "zh" : "en";
}
