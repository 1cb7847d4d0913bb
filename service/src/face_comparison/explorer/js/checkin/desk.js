/** The check-in desk: is the person at the camera the one of the ID photo, or of a collection? Loaded when it is opened. */

import { announce, fill, h, sign } from "../dom.js";
import { acceptable } from "../image.js";
import { acceptDrops, intake } from "../intake.js";
import { number, percent, t } from "../language.js";
import { copiesNotice } from "../notices.js";
import { problem } from "../problem.js";
import { ENDPOINTS, send } from "../service.js";
import { thumbnail } from "../shot.js";
import { KINDS, SIGNS } from "../verdict.js";
import { cameras, closeCamera, obstacle, openCamera, problemOf, takeFrame } from "./camera.js";
import { drawSteps, isSamePerson, observe, startChallenge } from "./challenge.js";
import { advice, nearest, STEADY_FRAMES } from "./guidance.js";
import { canSearch, judge, personChoice } from "./references.js";

const PREVIEW_SIDE = 640;
const CAPTURE_SIDE = 1920;
const PAUSE_MILLISECONDS = 120;
const FACES = 4;

const seconds = () => performance.now() / 1000;

export function deskPage(service) {
  const root = h("div", { class: "page desk" });
  const video = h("video", { playsInline: true, muted: true, "aria-label": t("desk.video") });
  const state = { reference: null, challenge: false, device: "", facing: "user", watching: 0, result: null, from: "photo" };
  let parts, taking, choice;

  const setReference = (subject) => {
    stop();
    Object.assign(state, { reference: subject, result: null });
    show();
    if (subject) begin();
  };

  const takeReference = async ([file]) => setReference({ image: await acceptable(file, service) });

  function stop() {
    state.watching += 1; // what still waits for an answer sees that it is out of date
    closeCamera(video);
  }

  async function begin() {
    stop();
    state.result = null;
    show();
    const blocked = obstacle();
    if (blocked) return fail(t(`desk.${blocked}`));
    const mine = state.watching;
    try {
      await openCamera(video, { facing: state.facing, deviceId: state.device });
    } catch (error) {
      if (mine === state.watching) fail(t(`desk.${problemOf(error)}`));
      return undefined;
    }
    if (mine !== state.watching) return closeCamera(video);
    video.classList.toggle("mirrored", state.facing === "user");
    showCameras();
    return watch(mine);
  }

  /** Look at frame after frame until one is good, or the person was asked in vain. */
  async function watch(mine) {
    let steady = 0;
    let asked = state.challenge ? startChallenge(drawSteps(Math.random()), service.defaults.threshold, seconds()) : null;
    while (mine === state.watching) {
      let faces, frame;
      try {
        frame = await takeFrame(video, PREVIEW_SIDE);
        faces = (await send(detection(service, frame.blob))).reply.Faces;
      } catch (error) {
        if (mine === state.watching) fail(null, error);
        return;
      }
      if (mine !== state.watching) return;
      const word = advice(faces, frame.ratio);
      if (asked?.state === "asking") {
        asked = observe(asked, word === "several" ? null : nearest(faces), frame.ratio, seconds());
        if (asked.state === "too-slow" || asked.state === "other-person") return finish({ answer: "review", reason: `desk.challenge-${asked.state}` });
        say(word === "nobody" || word === "several" || word === "closer" ? `desk.${word}` : asked.state === "passed" ? "desk.facing" : `desk.turn-${asked.steps[asked.done]}`, "guide");
      } else {
        steady = word === "ready" ? steady + 1 : 0;
        say(`desk.${word}`, word === "ready" ? "good" : "guide");
        if (steady >= STEADY_FRAMES) return capture(asked);
      }
      await new Promise((done) => setTimeout(done, PAUSE_MILLISECONDS));
    }
  }

  async function capture(asked = null) {
    const mine = state.watching;
    say("desk.comparing", "good");
    const { blob } = await takeFrame(video, CAPTURE_SIDE);
    try {
      if (asked) {
        const face = nearest((await send(detection(service, blob))).reply.Faces);
        if (mine !== state.watching) return;
        if (!face || !isSamePerson(asked, face)) return finish({ answer: "review", reason: "desk.challenge-other-person" });
      }
      const found = await judge(service, state.reference, blob);
      if (mine !== state.watching) return;
      finish({ ...found, seen: URL.createObjectURL(blob) });
    } catch (error) {
      if (mine === state.watching) fail(null, error);
    }
  }

  function finish(result) {
    stop();
    state.result = result;
    show();
    announce(`${titleOf(result)}. ${t(`desk.next-${result.answer}`)}`);
    parts.result.focus();
  }

  function fail(words, error = null) {
    stop();
    fill(parts.says);
    fill(parts.trouble, error ? problem(error, begin) : h("div", { class: "notice wrong", role: "alert" }, sign("warn"), h("div", {}, h("p", {}, words), h("button", { type: "button", class: "small", onclick: begin }, t("error.retry")))));
  }

  let said = "";
  function say(key, kind) {
    fill(parts.trouble);
    fill(parts.says, h("p", { class: `guide ${kind}` }, t(key)));
    if (key !== said) announce(t(key));
    said = key;
  }

  async function showCameras() {
    const found = await cameras();
    if (found.length < 2) return;
    const choice = h("select", { "aria-label": t("desk.camera"), onchange: (event) => { state.device = event.target.value; begin(); } }, found.map(({ id, name }, i) => h("option", { value: id }, name || t("desk.camera-number", { number: i + 1 }))));
    choice.value = state.device || found[0].id;
    fill(parts.cameras, choice);
  }

  function next() {
    if (state.result?.seen) URL.revokeObjectURL(state.result.seen);
    if (state.reference?.image) URL.revokeObjectURL(state.reference.image.src);
    setReference(null);
  }

  function build() {
    taking = intake({ take: takeReference, takeUrl: (url) => setReference({ url }), service, typed: taking?.typed() });
    choice = canSearch(service) && state.from === "collection" ? personChoice(setReference) : null;
    parts = { reference: h("div", { class: "stack" }), live: h("div", { class: "stack" }), says: h("div", { class: "says" }), trouble: h("div"), cameras: h("div", { class: "row" }), limits: h("p", { class: "small faint", hidden: !state.challenge }, t("desk.challenge-limits")), result: h("div", { class: "stack", tabindex: "-1" }) };
    video.setAttribute("aria-label", t("desk.video"));
    fill(
      root,
      h("header", { class: "row apart" }, h("div", {}, h("h1", {}, t("desk.title")), h("p", { class: "lede" }, t("desk.lede"))), document.fullscreenEnabled && h("button", { type: "button", onclick: toggleFullScreen }, t("desk.full-screen"))),
      h("div", { class: "halves" }, h("section", { class: "card", "aria-labelledby": "desk-reference" }, h("h2", { id: "desk-reference" }, t("desk.reference")), parts.reference), h("section", { class: "card", "aria-labelledby": "desk-live" }, h("h2", { id: "desk-live" }, t("desk.live")), parts.live)),
      parts.result,
    );
    acceptDrops(root, taking);
    show();
  }

  function show() {
    const { reference, result, from } = state;
    page.intake = taking;
    taking.compact(Boolean(reference?.image || reference?.url));
    fill(
      parts.reference,
      canSearch(service) && sources(from),
      reference && (reference.collection ? h("p", { class: "row apart" }, h("b", {}, reference.name), h("button", { type: "button", class: "small", onclick: next }, t("desk.somebody-else"))) : h("div", { class: "item large" }, thumbnail(reference))),
      reference?.image && copiesNotice([reference.image]),
      from === "photo" ? taking : !reference && choice,
    );
    fill(
      parts.live,
      h("label", { class: "row" }, h("input", { type: "checkbox", checked: state.challenge, onchange: (event) => challenge(event.target.checked) }), t("desk.challenge")),
      parts.limits,
      !reference && h("p", { class: "faint" }, t(from === "photo" ? "desk.waiting" : "desk.waiting-person")),
      reference && !result && h("div", { class: "viewer" }, video, parts.says),
      reference && !result && h("div", { class: "row" }, h("button", { type: "button", onclick: () => capture() , disabled: state.challenge }, sign("camera"), t("desk.take")), h("button", { type: "button", onclick: turnCamera }, t("desk.other-camera")), parts.cameras),
      parts.trouble,
    );
    if (!reference || result) fill(parts.trouble);
    fill(parts.result, result && answer(result, state.reference, begin, next));
  }

  /** An ID photo, or a person of a collection. */
  function sources(from) {
    const radio = (value) => h("label", { class: "row" }, h("input", { type: "radio", name: "desk-from", value, checked: from === value, onchange: () => compareWith(value) }), t(`desk.from-${value}`));
    return h("div", { class: "row", role: "radiogroup", "aria-label": t("desk.reference") }, radio("photo"), radio("collection"));
  }

  function compareWith(value) {
    state.from = value;
    choice = value === "collection" ? personChoice(setReference) : null;
    setReference(null);
    parts.reference.querySelector(`input[value="${value}"]`).focus();
  }

  function challenge(wanted) {
    state.challenge = wanted;
    parts.limits.hidden = !wanted;
    if (state.reference && !state.result) begin();
  }

  function turnCamera() {
    Object.assign(state, { facing: state.facing === "user" ? "environment" : "user", device: "" });
    begin();
  }

  const toggleFullScreen = () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());

  document.addEventListener("key", () => root.isConnected && build());

  const page = { root, build, opened: () => state.reference && !state.result && begin(), closed: stop, intake: null };
  return page;
}

const detection = (service, blob) => ({ url: `${ENDPOINTS.detect}?max_faces=${FACES}`, key: service.auth !== "none", image: { blob, file: "camera.jpg", type: "image/jpeg" } });

const titleOf = ({ answer: verdict, title }) => title ?? t(`desk.answer-${verdict}`);

/** The verdict, what to do next, and how certain it is for those who ask. */
function answer(result, reference, again, next) {
  const { answer: verdict, reason, target, seen } = result;
  return h(
    "section",
    { class: "card stack", "aria-labelledby": "desk-answer" },
    h(
      "div",
      { class: `verdict ${KINDS[verdict]}` },
      h("strong", { id: "desk-answer" }, sign(SIGNS[verdict]), titleOf(result)),
      reason && h("p", {}, t(reason)),
      h("p", {}, t(`desk.next-${verdict}`)),
    ),
    seen && h("div", { class: "pair" }, !reference.collection && h("figure", {}, thumbnail(reference), h("figcaption", {}, t("desk.reference"))), h("figure", {}, h("img", { src: seen, alt: "" }), h("figcaption", {}, t("desk.live")))),
    h("div", { class: "row" }, h("button", { type: "button", class: "main", onclick: next }, t("desk.next")), h("button", { type: "button", onclick: again }, t("desk.again"))),
    target && h("details", {}, h("summary", {}, t("desk.details")), h("p", { class: "small" }, t("desk.numbers", { distance: number(target.Distance, 3), confidence: percent(target.Confidence) }))),
  );
}
