/** The check-in desk: is the person at the camera the one of the ID photo, or of a collection? Loaded when it is opened. */

import { announce, fill, h, sign } from "../dom.js";
import { acceptable, keeper, release } from "../image.js";
import { acceptDrops, intake } from "../intake.js";
import { t } from "../language.js";
import { copiesNotice } from "../notices.js";
import { ENDPOINTS, send } from "../service.js";
import { facesOf } from "../subjects.js";
import { answer, titleOf } from "./answer.js";
import { cameras, closeCamera, obstacle, openCamera, problemOf, takeFrame, usedCamera } from "./camera.js";
import { isSamePerson } from "./challenge.js";
import { nearest } from "./guidance.js";
import { idPhoto } from "./id-photo.js";
import { cameraChoice, challengeChoice, columns, expectedPerson, heading, isKiosk, sources, troubleNotice } from "./layout.js";
import { canSearch, judge, personChoice } from "./references.js";
import { newChallenge, watch } from "./watch.js";

const CAPTURE_SIDE = 1920;
const PREVIEW_FACES = 4; // enough to guide the guest; all faces of the captured image count, as in `judge`
const KIOSK_SECONDS = 90; // then nobody needs the answer, and the next guest must not see it
const AWAY = ["unreachable", "unexpected"]; // errors after which the desk continues by itself
const NO_CAMERA = ["desk.unplugged", "desk.missing"];

export function deskPage(service) {
  const root = h("div", { class: "page desk" });
  const video = h("video", { playsInline: true, muted: true, "aria-label": t("desk.video") });
  const state = { reference: null, faces: null, challenge: false, device: "", facing: "user", watching: 0, result: null, from: "photo", trouble: null };
  const keep = keeper();
  let requests = new AbortController();
  let parts, taking, choice;
  let spoken = "";

  // --- whom to compare with

  async function setReference(subject) {
    stop();
    clearResult();
    keep(subject?.image ? [subject.image] : []);
    Object.assign(state, { reference: subject, faces: null });
    show();
    if (subject && (subject.collection || (await examine(subject)))) begin();
  }

  /** Look for the face on an ID photo before anybody waits at the camera. Returns whether there is one. */
  async function examine(subject) {
    const isCurrent = current();
    try {
      const { faces, version } = await facesOf(service, subject);
      if (!isCurrent()) return false;
      if (!faces.length) return fail({ words: "desk.no-face-in-photo" });
      Object.assign(state, { faces });
      if (faces.length > 1) useFace(nearest(faces), version);
      return true;
    } catch (error) {
      return isCurrent() && fail({ error, again: () => setReference(subject) });
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

  const usedFace = () => state.faces?.find((face) => face.BoundingBox === state.reference.face?.box) ?? null;

  async function takeReference([file]) {
    setReference(null);
    const isCurrent = current();
    const image = await acceptable(file, service);
    if (!isCurrent()) return release([image]);
    return setReference({ image });
  }

  function compareWith(value) {
    state.from = value;
    choice = value === "collection" ? personChoice(setReference) : null;
    setReference(null);
    parts.reference.querySelector(`input[value="${value}"]`).focus();
  }

  // --- from the camera to the answer

  async function begin() {
    if (!state.reference.collection && !state.faces) return setReference(state.reference); // not examined yet
    stop();
    clearResult();
    show();
    const blocked = obstacle();
    if (blocked) return fail({ words: `desk.${blocked}` });
    const isCurrent = current();
    try {
      await openCamera(video, { facing: state.facing, deviceId: state.device }, () => isCurrent() && cameraLost("desk.unplugged"));
    } catch (error) {
      if (isCurrent()) cameraLost(`desk.${problemOf(error)}`);
      return undefined;
    }
    if (!isCurrent()) return closeCamera(video);
    video.classList.toggle("mirrored", state.facing === "user");
    parts.viewer.scrollIntoView({ block: "nearest" }); // below the photo on a phone
    showCameras();
    return lookUntilGood(isCurrent);
  }

  async function lookUntilGood(isCurrent) {
    const challenge = state.challenge ? newChallenge(service.defaults.threshold) : null;
    try {
      const found = await watch(video, { detect: (blob) => detectFaces(blob, PREVIEW_FACES), say, isCurrent, challenge });
      if (found.outcome === "failed") finish({ answer: "review", reason: found.reason });
      if (found.outcome === "ready") await capture(found.challenge);
    } catch (error) {
      if (isCurrent()) fail({ error, again: begin });
    }
  }

  /** Without waiting for a good frame; one that is not there yet cannot be taken. */
  function takeNow() {
    if (!video.videoWidth) return;
    cancel();
    capture();
  }

  async function capture(challenge = null) {
    const isCurrent = current();
    say("desk.comparing", "good");
    try {
      const { blob } = await takeFrame(video, CAPTURE_SIDE);
      if (challenge) {
        const face = nearest(await detectFaces(blob));
        if (!isCurrent()) return;
        if (!face || !isSamePerson(challenge, face)) return finish({ answer: "review", reason: "desk.challenge-other-person" });
      }
      const found = await judge(service, state.reference, blob);
      if (isCurrent()) finish({ ...found, seen: URL.createObjectURL(blob) });
    } catch (error) {
      if (!isCurrent()) return;
      if (error.code === "not_found" && state.reference.collection) fail({ words: "desk.person-gone", again: next, label: "desk.somebody-else" });
      else fail({ error, again: begin });
    }
  }

  const detectFaces = async (blob, most = null) => (await send(detection(service, blob, most), requests.signal)).reply.Faces;

  function finish(result) {
    stop();
    state.result = result;
    show();
    if (isKiosk()) setTimeout(() => state.result === result && next(), 1000 * KIOSK_SECONDS);
    announce(`${titleOf(result)}. ${t(`desk.next-${result.answer}`)}`);
    parts.result.focus();
  }

  function next() {
    if (state.from === "collection") choice = personChoice(setReference); // somebody may have come or gone
    setReference(null);
    parts.reference.querySelector("input, select")?.focus();
  }

  /** The answer before, and the photograph that was taken for it. */
  function clearResult() {
    if (state.result?.seen) URL.revokeObjectURL(state.result.seen);
    Object.assign(state, { result: null, trouble: null });
  }

  // --- what may end it

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

  /** Returns a function that tells whether nothing was stopped or begun since. */
  function current() {
    const mine = state.watching;
    return () => mine === state.watching;
  }

  /** The one that was chosen may be gone for good: the next try takes any. */
  function cameraLost(words) {
    state.device = "";
    fail({ words, again: begin });
  }

  /** trouble: see troubleNotice. Returns false. */
  function fail(trouble) {
    stop();
    state.trouble = trouble;
    fill(parts.says);
    show();
    return false;
  }

  // --- what is shown

  function say(key, kind) {
    fill(parts.says, h("p", { class: `guide ${kind}` }, t(key)));
    if (key !== spoken) announce(t(key));
    spoken = key;
  }

  async function showCameras() {
    const found = await cameras();
    fill(parts.cameras, found.length > 1 && cameraChoice(found, usedCamera(video), (device) => { state.device = device; begin(); }));
  }

  function build() {
    taking = intake({ take: takeReference, takeUrl: (url) => setReference({ url }), service, typed: taking?.typed() });
    choice = canSearch(service) && state.from === "collection" ? personChoice(setReference) : null;
    parts = { reference: h("div", { class: "stack" }), live: h("div", { class: "stack" }), viewer: null, says: h("div", { class: "says" }), trouble: h("div"), cameras: h("div", { class: "row" }), limits: h("p", { class: "small faint", hidden: !state.challenge }, t("desk.challenge-limits")), result: h("div", { class: "stack", tabindex: "-1" }) };
    parts.viewer = h("div", { class: "viewer" }, video, parts.says);
    video.setAttribute("aria-label", t("desk.video"));
    fill(root, heading(), columns(parts.reference, parts.live), parts.result);
    acceptDrops(root, taking);
    show();
    if (video.srcObject) showCameras();
  }

  function show() {
    const { reference, result, from, trouble } = state;
    const isWatching = reference && !result && !trouble;
    page.intake = taking;
    taking.compact(Boolean(reference?.image || reference?.url));
    fill(
      parts.reference,
      canSearch(service) && sources(from, compareWith),
      reference && (reference.collection ? expectedPerson(reference, next) : idPhoto(reference, { faces: state.faces, used: usedFace(), choose: chooseFace })),
      reference?.image && copiesNotice([reference.image]),
      from === "photo" ? taking : !reference && choice,
    );
    fill(
      parts.live,
      challengeChoice(state.challenge, setChallenge),
      parts.limits,
      !reference && h("p", { class: "faint" }, t(from === "photo" ? "desk.waiting" : "desk.waiting-person")),
      isWatching && parts.viewer,
      isWatching && h("div", { class: "row" }, h("button", { type: "button", onclick: takeNow, disabled: state.challenge }, sign("camera"), t("desk.take")), h("button", { type: "button", onclick: turnCamera }, t("desk.other-camera")), parts.cameras),
      parts.trouble,
    );
    fill(parts.trouble, trouble && troubleNotice(trouble));
    fill(parts.result, result && answer(result, reference, { again: begin, next, seconds: isKiosk() ? KIOSK_SECONDS : 0 }));
  }

  function setChallenge(wanted) {
    state.challenge = wanted;
    parts.limits.hidden = !wanted;
    if (state.reference && !state.result) begin();
  }

  function turnCamera() {
    Object.assign(state, { facing: state.facing === "user" ? "environment" : "user", device: "" });
    begin();
  }

  document.addEventListener("key", () => root.isConnected && build());
  // Nobody stands behind a kiosk to press a button: it continues when the service or a camera is there again.
  document.addEventListener("service", ({ detail }) => detail === "ready" && root.isConnected && AWAY.includes(state.trouble?.error?.code) && state.trouble.again());
  navigator.mediaDevices?.addEventListener("devicechange", () => {
    if (video.srcObject) showCameras();
    else if (root.isConnected && NO_CAMERA.includes(state.trouble?.words)) begin();
  });

  const page = { root, build, opened: () => state.reference && !state.result && begin(), closed: stop, intake: null };
  return page;
}

const detection = (service, blob, most) => ({ url: ENDPOINTS.detect + (most ? `?max_faces=${most}` : ""), key: service.auth !== "none", image: { blob, file: "camera.jpg", type: "image/jpeg" } });
