/** What a person in front of the camera should do next. Pure: faces and numbers in, a word out. */

/** When a captured face is good enough. height: of the image; turn: see turnOf; roll: degrees; levels: 0 to 100. night: of the whole frame. */
export const LEVELS = { height: 0.24, second: 0.4, edge: 0.01, sharpness: 18, dark: 14, bright: 92, night: 8, turn: 0.4, roll: 18 };

/** Frames in a row that must be good before the photo is taken automatically. */
export const STEADY_FRAMES = 3;

const area = ({ BoundingBox: box }) => box.Width * box.Height;

/** The largest face of a reply, null without one. */
export function nearest(faces) {
  return faces.length ? faces.reduce((best, face) => (area(face) > area(best) ? face : best)) : null;
}

/** Whether somebody else is about as near to the camera as the nearest person. */
export function isCrowd(faces) {
  const face = nearest(faces);
  return faces.some((other) => other !== face && area(other) > LEVELS.second * area(face));
}

/**
 * One of: nobody, several, closer, inside, dark, bright, facing, upright, blurred, ready. ratio: width by height; light:
 * mean brightness of the frame, 0 to 100. In the dark no face is found, which is not because nobody is there.
 */
export function advice(faces, ratio, light) {
  const face = nearest(faces);
  if (!face) return light < LEVELS.night ? "dark" : "nobody";
  if (isCrowd(faces)) return "several";
  const { BoundingBox: box, Quality: quality } = face;
  if (box.Height < LEVELS.height) return "closer";
  if (box.Left < LEVELS.edge || box.Top < LEVELS.edge || box.Left + box.Width > 1 - LEVELS.edge || box.Top + box.Height > 1 - LEVELS.edge) return "inside";
  if (quality.Brightness < LEVELS.dark) return "dark";
  if (quality.Brightness > LEVELS.bright) return "bright";
  if (Math.abs(turnOf(face, ratio)) > LEVELS.turn) return "facing";
  if (Math.abs(rollOf(face, ratio)) > LEVELS.roll) return "upright";
  return quality.Sharpness < LEVELS.sharpness ? "blurred" : "ready";
}

/**
 * How far a head is turned: 0 facing the camera, 1 to the person's own left, -1 to the right.
 *
 * The nose of a facing head lies midway between the eyes, that of a turned one nearer to one of them. A flat photo keeps
 * the middle however it is tilted, so that turning a photo does not look like turning a head.
 */
export function turnOf(face, ratio) {
  const [right, left, nose] = ["eyeRight", "eyeLeft", "nose"].map((type) => point(face, type, ratio));
  const [x, y] = [left.x - right.x, left.y - right.y];
  const length = x * x + y * y;
  if (length === 0) return 1;
  const along = ((nose.x - right.x) * x + (nose.y - right.y) * y) / length;
  return Math.max(-1, Math.min(1, 2 * along - 1));
}

/** Degrees by which the line through the eyes is tilted. */
export function rollOf(face, ratio) {
  const [right, left] = ["eyeRight", "eyeLeft"].map((type) => point(face, type, ratio));
  return (Math.atan2(left.y - right.y, left.x - right.x) * 180) / Math.PI;
}

function point(face, type, ratio) {
  const { X, Y } = face.Landmarks.find((landmark) => landmark.Type === type);
  return { x: X * ratio, y: Y };
}

/** Euclidean distance of two face hashes, 0 to 2. */
export const distance = (one, other) => Math.sqrt(one.reduce((sum, value, i) => sum + (value - other[i]) ** 2, 0));
