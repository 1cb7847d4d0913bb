/** The check-in desk: is the person at the camera the one of the ID photo, or of a collection? Loaded when it is opened. */

import { announce, fill, h, sign } from "../dom.js";
import { acceptable } from "../image.js";
import { acceptDrops, intake } from "../intake.js";
import { t } from "../language.js";
import { copiesNotice } from "../notices.js";
import { problem } from "../problem.js";
import { ENDPOINTS, send } from "../service.js";
import { facesOf } from "../subjects.js";
import { answer, titleOf } from "./answer.js";
import { cameras, closeCamera, obstacle, openCamera, problemOf, takeFrame, usedCamera } from "./camera.js";
import { drawSteps, isSamePerson, observe, startChallenge } from "./challenge.js";
import { advice, nearest, STEADY_FRAMES } from "./guidance.js";
import { idPhoto } from "./id-photo.js";
import { canSearch, judge, personChoice } from "./references.js";

const PREVIEW_SIDE = 640;
const CAPTURE_SIDE = 1920;
const PAUSE_MILLISECONDS = 120;
const SLOW_MILLISECONDS = 4_000; // an answer that takes longer is said to be awaited
const FACES = 4;
const KIOSK_SECONDS = 90; // then nobody needs the answer, and the next guest must not see it
const AWAY = ["unreachable", "unexpected"]; // errors after which the desk goes on by itself

const seconds = () => performance.now() / 1000;
const isKiosk = () => "kiosk" in document.documentElement.dataset;

export function deskPage(service) {
  const root = h("div", { class: "page desk" });
  const video = h("video", { playsInline: true, muted: true, "aria-label": t("desk.video") });
  const state = { reference: null, faces: null, challenge: false, device: "", facing: "user", watching: 0, result: null, from: "photo", trouble: null };
  let requests = new AbortController();
  let parts, taking, choice;

  async function setReference(subject) {
    stop();
    Object.assign(state, { reference: subject, faces: null, result: null, trouble: null });
    show();
    if (subject && (subject.collection || (await examine(subject)))) begin();
  }

  /** Look for the face on an ID photo before anybody waits at the camera. Returns whether there is one. */
  async function examine(subject) {
    const mine = state.watching;
    try {
      const { faces, version } = await facesOf(service, subject);
      if (mine !== state.watching) return false;
      if (!faces.length) return fail({ words: "desk.no-face-in-photo" });
      Object.assign(state, { faces });
      if (faces.length > 1) useFace(nearest(faces), version);
      return true;
    } catch (error) {
      return mine === state.watching && fail({ error, again: () => setReference(subject) });
    }
  }

  function useFace(face, version) {
    state.reference = { ...state.reference, face: { vector: face.face_hash, version, box: face.BoundingBox, reliable: face.Quality.Reliable } };
    show();
  }

  /** Another face of the photo is meant: whatever was found with the first one no longer counts. */
  function chooseFace(face) {
    useFace(face, state.reference.face.version);
    begin();
  }

  const takeReference = async ([file]) => setReference({ image: await acceptable(file, service) });

  function stop() {
    cancel();
    closeCamera(video);
  }

  /** What still waits for an answer sees that it is out of date. */
  function cancel() {
    state.watching += 1;
    requests.abort();
    requests = new AbortController();
  }

  async function begin() {
    stop();
    Object.assign(state, { result: null, trouble: null });
    show();
    const blocked = obstacle();
    if (blocked) return fail({ words: `desk.${blocked}` });
    const mine = state.watching;
    try {
      await openCamera(video, { facing: state.facing, deviceId: state.device }, () => mine === state.watching && cameraLost("desk.unplugged"));
    } catch (error) {
      if (mine === state.watching) cameraLost(`desk.${problemOf(error)}`);
      return undefined;
    }
    if (mine !== state.watching) return closeCamera(video);
    video.classList.toggle("mirrored", state.facing === "user");
    parts.viewer.scrollIntoView({ block: "nearest" }); // below the photo on a phone
    showCameras();
    return watch(mine);
  }

  /** The one that was chosen may be gone for good: the next try takes any. */
  function cameraLost(words) {
    state.device = "";
    fail({ words, again: begin });
  }

  /** Look at frame after frame until one is good, or the person was asked in vain. */
  async function watch(mine) {
    let steady = 0;
    say("desk.nobody", "guide");
    let asked = state.challenge ? startChallenge(drawSteps(Math.random()), service.defaults.threshold, seconds()) : null;
    while (mine === state.watching) {
      let faces, frame;
      const slow = setTimeout(() => mine === state.watching && say("desk.slow", "guide"), SLOW_MILLISECONDS);
      try {
        frame = await takeFrame(video, PREVIEW_SIDE);
        faces = (await send(detection(service, frame.blob), requests.signal)).reply.Faces;
      } catch (error) {
        if (mine === state.watching) fail({ error, again: begin });
        return;
      } finally {
        clearTimeout(slow);
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

  /** Without waiting for a good frame; one that is not there yet cannot be taken. */
  function takeNow() {
    if (!video.videoWidth) return;
    cancel();
    capture();
  }

  async function capture(asked = null) {
    const mine = state.watching;
    say("desk.comparing", "good");
    const { blob } = await takeFrame(video, CAPTURE_SIDE);
    try {
      if (asked) {
        const face = nearest((await send(detection(service, blob), requests.signal)).reply.Faces);
        if (mine !== state.watching) return;
        if (!face || !isSamePerson(asked, face)) return finish({ answer: "review", reason: "desk.challenge-other-person" });
      }
      const found = await judge(service, state.reference, blob);
      if (mine !== state.watching) return;
      finish({ ...found, seen: URL.createObjectURL(blob) });
    } catch (error) {
      if (mine !== state.watching) return;
      if (error.code === "not_found" && state.reference.collection) fail({ words: "desk.person-gone", again: next, label: "desk.somebody-else" });
      else fail({ error, again: begin });
    }
  }

  function finish(result) {
    stop();
    state.result = result;
    show();
    if (isKiosk()) setTimeout(() => state.result === result && next(), 1000 * KIOSK_SECONDS);
    announce(`${titleOf(result)}. ${t(`desk.next-${result.answer}`)}`);
    parts.result.focus();
  }

  /** words: a key of the messages, or error: a ServiceError; again: what the button does, called label. Returns false. */
  function fail(trouble) {
    stop();
    state.trouble = trouble;
    fill(parts.says);
    show();
    return false;
  }

  function showTrouble() {
    const { words, error, again, label = "error.retry" } = state.trouble ?? {};
    fill(parts.trouble, error ? problem(error, again) : words && h("div", { class: "notice wrong", role: "alert" }, sign("warn"), h("div", {}, h("p", {}, t(words)), again && h("button", { type: "button", class: "small", onclick: again }, t(label)))));
  }

  let said = "";
  function say(key, kind) {
    fill(parts.says, h("p", { class: `guide ${kind}` }, t(key)));
    if (key !== said) announce(t(key));
    said = key;
  }

  async function showCameras() {
    const found = await cameras();
    if (found.length < 2) return fill(parts.cameras);
    const choice = h("select", { "aria-label": t("desk.camera"), onchange: (event) => { state.device = event.target.value; begin(); } }, found.map(({ id, name }, i) => h("option", { value: id }, name || t("desk.camera-number", { number: i + 1 }))));
    choice.value = usedCamera(video) ?? found[0].id;
    return fill(parts.cameras, choice);
  }

  function next() {
    if (state.result?.seen) URL.revokeObjectURL(state.result.seen);
    if (state.reference?.image) URL.revokeObjectURL(state.reference.image.src);
    if (state.from === "collection") choice = personChoice(setReference); // somebody may have come or gone
    setReference(null);
    parts.reference.querySelector("input, select")?.focus();
  }

  function build() {
    taking = intake({ take: takeReference, takeUrl: (url) => setReference({ url }), service, typed: taking?.typed() });
    choice = canSearch(service) && state.from === "collection" ? personChoice(setReference) : null;
    parts = { reference: h("div", { class: "stack" }), live: h("div", { class: "stack" }), viewer: null, says: h("div", { class: "says" }), trouble: h("div"), cameras: h("div", { class: "row" }), limits: h("p", { class: "small faint", hidden: !state.challenge }, t("desk.challenge-limits")), result: h("div", { class: "stack", tabindex: "-1" }) };
    parts.viewer = h("div", { class: "viewer" }, video, parts.says);
    video.setAttribute("aria-label", t("desk.video"));
    fill(
      root,
      h("header", { class: "row apart" }, h("div", {}, h("h1", {}, t("desk.title")), h("p", { class: "lede" }, t("desk.lede"))), h("div", { class: "row" }, isKiosk() && h("button", { type: "button", class: "quiet", lang: t("other-language-code"), "aria-label": t("other-language-label"), onclick: () => document.getElementById("language").click() }, t("other-language")), document.fullscreenEnabled && h("button", { type: "button", onclick: toggleFullScreen }, t("desk.full-screen")))),
      h("div", { class: "halves" }, h("section", { class: "card", "aria-labelledby": "desk-reference" }, h("h2", { id: "desk-reference" }, t("desk.reference")), parts.reference), h("section", { class: "card", "aria-labelledby": "desk-live" }, h("h2", { id: "desk-live" }, t("desk.live")), parts.live)),
      parts.result,
    );
    acceptDrops(root, taking);
    show();
    if (video.srcObject) showCameras();
  }

  function show() {
    const { reference, result, from, trouble } = state;
    const watching = reference && !result && !trouble;
    page.intake = taking;
    taking.compact(Boolean(reference?.image || reference?.url));
    fill(
      parts.reference,
      canSearch(service) && sources(from),
      reference && (reference.collection ? h("p", { class: "row apart" }, h("b", {}, reference.name), h("button", { type: "button", class: "small", onclick: next }, t("desk.somebody-else"))) : idPhoto(reference, { faces: state.faces, used: usedFace(), choose: chooseFace })),
      reference?.image && copiesNotice([reference.image]),
      from === "photo" ? taking : !reference && choice,
    );
    fill(
      parts.live,
      h("label", { class: "row" }, h("input", { type: "checkbox", checked: state.challenge, onchange: (event) => challenge(event.target.checked) }), t("desk.challenge")),
      parts.limits,
      !reference && h("p", { class: "faint" }, t(from === "photo" ? "desk.waiting" : "desk.waiting-person")),
      watching && parts.viewer,
      watching && h("div", { class: "row" }, h("button", { type: "button", onclick: takeNow, disabled: state.challenge }, sign("camera"), t("desk.take")), h("button", { type: "button", onclick: turnCamera }, t("desk.other-camera")), parts.cameras),
      parts.trouble,
    );
    showTrouble();
    fill(parts.result, result && answer(result, state.reference, { again: begin, next, seconds: isKiosk() ? KIOSK_SECONDS : 0 }));
  }

  const usedFace = () => state.faces?.find((face) => face.BoundingBox === state.reference.face?.box) ?? null;

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
  // Nobody stands behind a kiosk to press a button: it goes on when the service or a camera is there again.
  document.addEventListener("service", ({ detail }) => detail === "ready" && root.isConnected && AWAY.includes(state.trouble?.error?.code) && state.trouble.again());
  navigator.mediaDevices?.addEventListener("devicechange", () => {
    if (video.srcObject) showCameras();
    else if (root.isConnected && ["desk.unplugged", "desk.missing"].includes(state.trouble?.words)) begin();
  });

  const page = { root, build, opened: () => state.reference && !state.result && begin(), closed: stop, intake: null };
  return page;
}

const detection = (service, blob) => ({ url: `${ENDPOINTS.detect}?max_faces=${FACES}`, key: service.auth !== "none", image: { blob, file: "camera.jpg", type: "image/jpeg" } });
