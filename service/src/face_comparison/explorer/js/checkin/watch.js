/** Looks at what the camera sees until a frame is good enough to be compared, or the person was asked in vain. */

import { takeFrame } from "./camera.js";
import { drawSteps, observe, startChallenge } from "./challenge.js";
import { advice, nearest, STEADY_FRAMES } from "./guidance.js";

const PREVIEW_SIDE = 640;
const PAUSE_MILLISECONDS = 120;
const SLOW_MILLISECONDS = 4_000; // a response that takes longer is said to be awaited

const seconds = () => performance.now() / 1000;

/** A challenge in random order. threshold: the greatest distance at which faces are one person. */
export const newChallenge = (threshold) => startChallenge(drawSteps(Math.random()), threshold, seconds());

/**
 * detect(blob): returns the faces of a frame. say(key, kind): shows what the person should do. isCurrent(): false once
 * nobody waits for the outcome any more. challenge: null without one.
 *
 * Returns {outcome}: ready, with the challenge that was passed, if any; failed, with the reason; or stopped.
 */
export async function watch(video, { detect, say, isCurrent, challenge }) {
  let steady = 0;
  let asked = challenge;
  say("desk.nobody", "guide");
  while (isCurrent()) {
    const slow = setTimeout(() => isCurrent() && say("desk.slow", "guide"), SLOW_MILLISECONDS);
    let faces, frame;
    try {
      frame = await takeFrame(video, PREVIEW_SIDE);
      faces = await detect(frame.blob);
    } finally {
      clearTimeout(slow);
    }
    if (!isCurrent()) break;
    const word = advice(faces, frame.ratio, frame.light);
    if (asked?.state === "asking") {
      asked = observe(asked, word === "several" ? null : nearest(faces), frame.ratio, seconds());
      if (FAILED.includes(asked.state)) return { outcome: "failed", reason: `desk.challenge-${asked.state}` };
      say(`desk.${faces.length ? request(asked, word) : word}`, "guide");
    } else {
      steady = word === "ready" ? steady + 1 : 0;
      say(`desk.${word}`, word === "ready" ? "good" : "guide");
      if (steady >= STEADY_FRAMES) return { outcome: "ready", challenge: asked };
    }
    await new Promise((done) => setTimeout(done, PAUSE_MILLISECONDS));
  }
  return { outcome: "stopped" };
}

const FAILED = ["too-slow", "other-person"];
const NO_FACE_TO_JUDGE = ["several", "closer"];

/** What a person who takes a challenge should do next. */
function request(challenge, word) {
  if (NO_FACE_TO_JUDGE.includes(word)) return word;
  return challenge.state === "passed" ? "facing" : `turn-${challenge.steps[challenge.done]}`;
}
