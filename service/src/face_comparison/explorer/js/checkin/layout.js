/** The parts of the desk's page that have no state of their own. */

import { h, sign } from "../dom.js";
import { t } from "../language.js";
import { problem } from "../problem.js";

export const isKiosk = () => "kiosk" in document.documentElement.dataset;

/** What a page in kiosk mode lacks is in its heading: the language. */
export function heading() {
  const language = isKiosk() && h("button", { type: "button", class: "quiet", lang: t("other-language-code"), "aria-label": t("other-language-label"), onclick: () => document.getElementById("language").click() }, t("other-language"));
  const fullScreen = document.fullscreenEnabled && h("button", { type: "button", onclick: toggleFullScreen }, t("desk.full-screen"));
  return h(
    "header",
    { class: "row apart" },
    h("div", {}, h("h1", {}, t("desk.title")), h("p", { class: "lede" }, t("desk.lede"))),
    h("div", { class: "row" }, language, fullScreen),
  );
}

const toggleFullScreen = () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());

/** Whom to compare with on the left, the camera on the right. */
export const columns = (reference, live) =>
  h(
    "div",
    { class: "halves" },
    h("section", { class: "card", "aria-labelledby": "desk-reference" }, h("h2", { id: "desk-reference" }, t("desk.reference")), reference),
    h("section", { class: "card", "aria-labelledby": "desk-live" }, h("h2", { id: "desk-live" }, t("desk.live")), live),
  );

/** Whether to compare with an ID photo or with a person in a collection. from: which one; choose(value). */
export function sources(from, choose) {
  const radio = (value) => h("label", { class: "row" }, h("input", { type: "radio", name: "desk-from", value, checked: from === value, onchange: () => choose(value) }), t(`desk.from-${value}`));
  return h("div", { class: "row", role: "radiogroup", "aria-label": t("desk.reference") }, radio("photo"), radio("collection"));
}

/** The person of a collection who is expected. somebodyElse: the action of the button. */
export const expectedPerson = (reference, somebodyElse) =>
  h("p", { class: "row apart" }, h("b", {}, reference.name), h("button", { type: "button", class: "small", onclick: somebodyElse }, t("desk.somebody-else")));

/** Whether the head has to be turned. changed(wanted): called when the visitor changes it. */
export const challengeChoice = (wanted, changed) =>
  h("label", { class: "row" }, h("input", { type: "checkbox", checked: wanted, onchange: (event) => changed(event.target.checked) }), t("desk.challenge"));

/** found: the cameras; used: the id of one of them. */
export function cameraChoice(found, used, choose) {
  const choice = h("select", { "aria-label": t("desk.camera"), onchange: (event) => choose(event.target.value) }, found.map(({ id, name }, i) => h("option", { value: id }, name || t("desk.camera-number", { number: i + 1 }))));
  choice.value = used ?? found[0].id;
  return choice;
}

/** words: a key of the messages, or error: a ServiceError; again: what the button does, called label. */
export function troubleNotice({ words, error, again, label = "error.retry" }) {
  if (error) return problem(error, again);
  return h("div", { class: "notice wrong", role: "alert" }, sign("warn"), h("div", {}, h("p", {}, t(words)), again && h("button", { type: "button", class: "small", onclick: again }, t(label))));
}
