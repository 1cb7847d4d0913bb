/** The camera: opened, shown, frames taken from it, and closed. Nothing it sees is kept. */

/** Why there is no camera here: insecure, missing; null: there may be one. */
export function obstacle() {
  if (!isSecureContext) return "insecure";
  return navigator.mediaDevices?.getUserMedia ? null : "missing";
}

/**
 * Show a camera in a video element. facing: user or environment; deviceId: of `cameras`, "" for any. lost(): called when
 * it is unplugged or taken away.
 *
 * Throws the browser's error: NotAllowedError, NotFoundError, NotReadableError …
 */
export async function openCamera(video, { facing = "user", deviceId = "" } = {}, lost = () => {}) {
  const wanted = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: facing };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { ...wanted, width: { ideal: 1280 }, height: { ideal: 720 } } });
  video.srcObject = stream;
  for (const track of stream.getTracks()) track.addEventListener("ended", lost);
  await video.play();
  return stream;
}

/** The cameras of this device: [{id, name}]; names are known once one was allowed. */
export async function cameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter(({ kind }) => kind === "videoinput").map(({ deviceId, label }) => ({ id: deviceId, name: label }));
}

/** The id of the camera that a video element shows, undefined without one. */
export const usedCamera = (video) => video.srcObject?.getVideoTracks()[0]?.getSettings().deviceId;

/** Which words say why a camera did not open: declined, missing, broken. */
export const problemOf = ({ name }) => ({ NotAllowedError: "declined", NotFoundError: "missing", OverconstrainedError: "missing" })[name] ?? "broken";

export function closeCamera(video) {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

/** The present frame as a JPG of at most `side` pixels a side: {blob, ratio, light}; light: mean brightness, 0 to 100. */
export async function takeFrame(video, side) {
  const factor = Math.min(1, side / Math.max(video.videoWidth, video.videoHeight));
  const [width, height] = [Math.round(video.videoWidth * factor), Math.round(video.videoHeight * factor)];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").drawImage(video, 0, 0, width, height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
  return { blob, ratio: width / height, light: lightOf(canvas) };
}

const SAMPLES = 16;

/** Mean of red, green and blue of an image, 0 to 100. */
function lightOf(image) {
  const canvas = Object.assign(document.createElement("canvas"), { width: SAMPLES, height: SAMPLES });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, SAMPLES, SAMPLES);
  const { data } = context.getImageData(0, 0, SAMPLES, SAMPLES);
  const total = data.reduce((sum, value, i) => (i % 4 === 3 ? sum : sum + value), 0); // without the alpha channel
  return (100 * total) / (3 * 255 * SAMPLES * SAMPLES);
}
