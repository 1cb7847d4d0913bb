/** The results of a comparison with several images: sorted, filtered, downloaded. */

import { fill, h, sign } from "./dom.js";
import { downloads } from "./download.js";
import { t } from "./language.js";
import { nameOf, thumbnail } from "./shot.js";
import { cosine, KINDS, SIGNS } from "./verdict.js";

const VERDICTS = ["same", "review", "different", "none"];
const FARTHEST = 2;
const ORDERS = {
  given: (one, other) => one.i - other.i,
  nearest: (one, other) => distanceOf(one) - distanceOf(other) || one.i - other.i,
  farthest: (one, other) => distanceOf(other) - distanceOf(one) || one.i - other.i,
  name: (one, other) => nameOf(one.subject).localeCompare(nameOf(other.subject), undefined, { numeric: true }) || one.i - other.i,
};

// What has no distance comes last, whichever way round.
const distanceOf = ({ target }) => target.Distance ?? NaN;
const withLast = (compare) => (one, other) => Number(Boolean(one.target.Error)) - Number(Boolean(other.target.Error)) || compare(one, other);

/** Results in the chosen order, of the chosen verdict. Pure. results: [{i, subject, target, verdict}]. */
export function arranged(results, order, filter) {
  const compare = order === "nearest" || order === "farthest" ? withLast(ORDERS[order]) : ORDERS[order];
  return results.filter(({ verdict }) => !filter || verdict === filter).toSorted(compare);
}

/** The same as rows of a table. Pure. */
export function table(results) {
  return {
    head: ["image", "verdict", "distance", "cosine", "confidence", "error"],
    rows: results.map(({ subject, target, verdict }) => [
      nameOf(subject),
      target.Error ? "" : verdict,
      target.Distance,
      target.Error ? "" : Number(cosine(target.Distance).toFixed(6)),
      target.Confidence,
      target.Error?.code,
    ]),
  };
}

/**
 * The panel of results. results(): as they are judged now; view: {order, filter}, changed here; chosen: index of the
 * shown one; choose(i). The returned element has show(), to be called when what `results` returns has changed.
 */
export function resultsPanel({ results, view, reply, chosen, choose }) {
  const heading = h("h2", { id: "results-title" });
  const strip = h("div", { class: "strip", role: "group", "aria-label": t("compare.results") });
  const order = select("results-order", Object.keys(ORDERS).map((name) => [name, t(`order.${name}`)]), view.order, (value) => { view.order = value; show(); });
  const filter = select("results-filter", [], view.filter, (value) => { view.filter = value; show(); });
  const none = h("p", { class: "faint", role: "status" });
  const save = downloads("comparison", reply, () => table(arranged(results(), view.order, view.filter)));
  const root = h(
    "section",
    { class: "card", "aria-labelledby": "results-title" },
    h("div", { class: "row apart" }, heading, save),
    h("div", { class: "row tools-row" }, h("label", { for: "results-order", class: "small faint" }, t("order.label")), order, h("label", { for: "results-filter", class: "small faint" }, t("filter.label")), filter),
    strip,
    none,
  );
  function show() {
    const all = results();
    const counts = Object.fromEntries(VERDICTS.map((name) => [name, all.filter(({ verdict }) => verdict === name).length]));
    heading.textContent = t("compare.of", { same: counts.same, count: all.length });
    fill(filter, [["", t("filter.all", { count: all.length })], ...VERDICTS.map((name) => [name, `${t(`verdict.${name}`)} (${counts[name]})`])].map(([value, text]) => h("option", { value }, text)));
    filter.value = view.filter;
    const shown = arranged(all, view.order, view.filter);
    fill(strip, shown.map((result) => thumb(result, result.i === chosen, choose)));
    none.textContent = shown.length ? "" : t("filter.none");
  }
  root.show = show;
  root.focusOn = (i) => strip.querySelector(`[data-index="${i}"]`)?.focus();
  return root;
}

function select(id, options, value, changed) {
  const element = h("select", { id, onchange: () => changed(element.value) }, options.map(([name, text]) => h("option", { value: name }, text)));
  if (options.length) element.value = value;
  return element;
}

function thumb({ i, subject, verdict }, pressed, choose) {
  const kind = verdict === "none" ? "other" : KINDS[verdict];
  return h(
    "button",
    { type: "button", class: "thumb", "aria-pressed": String(pressed), "data-index": String(i), onclick: () => choose(i) },
    thumbnail(subject),
    h("span", { class: `${kind}-text` }, sign(verdict === "none" ? "warn" : SIGNS[verdict]), t(`verdict.short-${verdict}`)),
    h("em", {}, nameOf(subject)),
  );
}
