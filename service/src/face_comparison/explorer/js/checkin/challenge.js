/**
 * Asks for turns of the head and judges them over several frames. Pure: time is given.
 *
 * It makes a printed photo and a still image on a screen fail. It is not liveness detection: a video of the person, a
 * mask or a second live person can pass.
 */

import { distance, turnOf } from "./guidance.js";

/** turn: how far, see turnOf; frames: in a row; seconds: for one turn. */
export const DEMANDS = { turn: 0.45, frames: 2, seconds: 12 };

/** random: 0 to 1. Returns the order of turns. */
export const drawSteps = (random) => (random < 0.5 ? ["left", "right"] : ["right", "left"]);

/** steps: to the person's own left or right. threshold: the greatest distance at which faces are one person. */
export function startChallenge(steps, threshold, now) {
  return { steps, threshold, done: 0, frames: 0, hash: null, until: now + DEMANDS.seconds, state: "asking" };
}

/**
 * The challenge after one more frame; face: its only face, or null. `state`: asking, passed, too-slow, other-person.
 *
 * A turned head's hash is compared as well, so that nobody else turns for the person who is compared.
 */
export function observe(challenge, face, ratio, now) {
  if (challenge.state !== "asking") return challenge;
  if (now > challenge.until) return { ...challenge, state: "too-slow" };
  if (!face) return { ...challenge, frames: 0 };
  const hash = challenge.hash ?? face.face_hash;
  if (distance(hash, face.face_hash) > challenge.threshold) return { ...challenge, state: "other-person" };
  const turn = turnOf(face, ratio);
  const asked = challenge.steps[challenge.done];
  const turned = asked === "left" ? turn > DEMANDS.turn : turn < -DEMANDS.turn;
  const frames = turned ? challenge.frames + 1 : 0;
  if (frames < DEMANDS.frames) return { ...challenge, hash, frames };
  const done = challenge.done + 1;
  return { ...challenge, hash, frames: 0, done, until: now + DEMANDS.seconds, state: done === challenge.steps.length ? "passed" : "asking" };
}

/** Whether the captured face is the one that turned. */
export const isSamePerson = (challenge, face) => challenge.hash !== null && distance(challenge.hash, face.face_hash) <= challenge.threshold;
