/** How good a face is for a comparison, in words. Pure: numbers in, keys of words out. */

/** Limits between words, of the gate that collections enroll by (see collections/quality.py). */
const SIZE = [36, 80]; // pixels
const SHARPNESS = [20, 40];
const BRIGHTNESS = [10, 20, 96];

/** Words for a face's quality: {size, sharpness, brightness}. */
export function judged({ FaceSize: size, Sharpness: sharpness, Brightness: brightness }) {
  return {
    size: size < SIZE[0] ? "size-poor" : size < SIZE[1] ? "size-fair" : "size-good",
    sharpness: sharpness < SHARPNESS[0] ? "sharpness-poor" : sharpness < SHARPNESS[1] ? "sharpness-fair" : "sharpness-good",
    brightness: brightness > BRIGHTNESS[2] ? "brightness-over" : brightness < BRIGHTNESS[0] ? "brightness-poor" : brightness < BRIGHTNESS[1] ? "brightness-fair" : "brightness-good",
  };
}

/** Why a face says little about who it is: keys `reason.…`, in the service's order; empty for a good one. */
export function doubts({ Reliable: reliable, Reasons: reasons = [] }) {
  if (reliable !== false) return [];
  return reasons.length ? reasons.map((reason) => `reason.${reason}`) : ["reason.LOW_FACE_QUALITY"];
}
