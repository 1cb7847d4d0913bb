/** What went over the wire, for those who want to do the same: time, request as code, reply as a tree. */

import { copyButton } from "./copy.js";
import { fill, h, styled } from "./dom.js";
import { number, size, t } from "./language.js";
import { LANGUAGES, sample } from "./samples.js";
import { tree } from "./json-tree.js";

const STAGES = ["read", "fetch", "queue", "decode", "detect", "embed"];
const COLORS = { network: "t0", read: "t0", fetch: "t1", queue: "t2", decode: "t3", detect: "t4", embed: "t5" };

let language = LANGUAGES[0]; // stays chosen from one request to the next
let unfolded = false; // likewise

/**
 * What developers want to know about an exchange, folded away. sent: the request as it was sent, see samples.js; answer,
 * error: see service.js, one of them null. images: those of the request. facts: [[name, text]] about the result.
 */
export function developerDetails({ sent, answer = null, error = null, images = [], facts = [] }) {
  const reply = answer?.reply ?? error?.reply;
  const made = images.filter((image) => image.made);
  return h(
    "details",
    { class: "developer", open: unfolded, ontoggle: (event) => (unfolded = event.target.open) },
    h("summary", {}, t("exchange.developer")),
    h(
      "div",
      { class: "stack" },
      facts.length > 0 && h("dl", { class: "card facts wide-facts" }, facts.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text)))),
      answer && timePanel(answer),
      h("div", { class: "halves" }, requestPanel(sent, made), reply && replyPanel(reply)),
    ),
  );
}

function timePanel({ milliseconds, stages, received }) {
  const measured = STAGES.filter((name) => stages[name] >= 0.05).map((name) => [name, stages[name]]);
  // The stages of several images run side by side: their sum may be more than the whole, and then says nothing of the rest.
  const sum = measured.reduce((total, [, value]) => total + value, 0);
  const rest = Math.max(0, milliseconds - sum);
  const parts = rest < 0.05 ? measured : [...measured, ["network", rest]];
  return h(
    "section",
    { class: "card", "aria-labelledby": "time-title" },
    h(
      "div",
      { class: "row apart" },
      h("h2", { id: "time-title" }, t("exchange.time")),
      h("span", { class: "faint small" }, t("exchange.total", { milliseconds: number(milliseconds, 0) }), " · ", size(received)),
    ),
    h("div", { class: "times", "aria-hidden": "true" }, parts.map(([name, value]) => styled(h("i", { class: COLORS[name] }), { flex: `${value} 0 0` }))),
    h("ul", { class: "legend" }, parts.map(([name, value]) => h("li", {}, h("i", { class: COLORS[name] }), t(`stage.${name}`), h("b", {}, `${number(value, value < 10 ? 1 : 0)} ms`)))),
    sum > milliseconds && h("p", { class: "small faint" }, t("exchange.parallel", { sum: number(sum, 0) })),
  );
}

function requestPanel(request, made) {
  const code = h("pre", { class: "code", id: "sample", role: "tabpanel", tabindex: "0" });
  const tabs = LANGUAGES.map((name) =>
    h("button", { type: "button", role: "tab", "aria-controls": "sample", onclick: () => choose(name) }, name),
  );
  const choose = (name) => {
    language = name;
    code.textContent = sample(name, request);
    code.setAttribute("aria-label", name);
    for (const [i, tab] of tabs.entries()) {
      tab.setAttribute("aria-selected", String(LANGUAGES[i] === name));
      tab.tabIndex = LANGUAGES[i] === name ? 0 : -1;
    }
  };
  choose(language);
  const list = h(
    "div",
    {
      class: "choices",
      role: "tablist",
      "aria-label": t("exchange.languages"),
      onkeydown: (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = (LANGUAGES.indexOf(language) + step + LANGUAGES.length) % LANGUAGES.length;
        choose(LANGUAGES[next]);
        tabs[next].focus();
      },
    },
    tabs,
  );
  return h(
    "section",
    { class: "card", "aria-labelledby": "request-title" },
    h("h2", { id: "request-title" }, t("exchange.request")),
    h("p", { class: "faint small" }, t("exchange.request-lede"), request.key ? ` ${t("exchange.key-note")}` : ""),
    made.length > 0 && h("p", { class: "small saves" }, `${t("exchange.made")} `, made.map((image) => h("a", { href: image.src, download: image.name }, image.name))),
    fill(h("div", { class: "row apart" }), list, copyButton(() => code.textContent, t("exchange.copy-code"))),
    code,
  );
}

function replyPanel(reply) {
  return h(
    "section",
    { class: "card", "aria-labelledby": "reply-title" },
    h("div", { class: "row apart" }, h("h2", { id: "reply-title" }, t("exchange.reply")), copyButton(() => JSON.stringify(reply, null, 2), t("exchange.copy-reply"))),
    tree(reply),
  );
}
