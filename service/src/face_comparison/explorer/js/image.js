/** Images as the visitor gave them, and smaller copies where the visitor agrees. */

export const TYPES = ["image/jpeg", "image/png", "image/bmp", "image/webp", "image/avif", "image/heic", "image/heif"];

const QUALITY = 0.92;

/**
 * Open a file: {blob, name, type, width, height, src}; src: an object URL.
 *
 * Width and height are upright, as the service counts them; 0 when this browser cannot read the file. The service may
 * still be able to, and says best what is wrong with it.
 */
export async function opened(blob, name) {
  const src = URL.createObjectURL(blob);
  const element = new Image();
  element.src = src;
  try {
    await element.decode();
  } catch {
    return { blob, name, type: blob.type, width: 0, height: 0, src };
  }
  return { blob, name, type: blob.type, width: element.naturalWidth, height: element.naturalHeight, src };
}

/** Why the service would refuse an image for what it is: `format`, `side`, `bytes`; null: it would not. */
export function obstacle(image, limits) {
  if (!image.width) return null;
  if (!TYPES.includes(image.type)) return "format";
  if (Math.max(image.width, image.height) > limits.max_side_pixels) return "side";
  return image.blob.size > limits.max_body_bytes ? "bytes" : null;
}

/** Width and height that fit into a square, never larger than they are. */
export function fitted(width, height, side) {
  const factor = Math.min(1, side / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) };
}

/** A JPG copy of at most `side` pixels a side and `bytes` bytes. */
export async function smaller(image, side, bytes) {
  const element = new Image();
  element.src = image.src;
  await element.decode();
  for (;;) {
    const { width, height } = fitted(image.width, image.height, side);
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff"; // what is transparent would become black in a JPG
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    context.drawImage(element, 0, 0, width, height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
    if (blob.size <= bytes || side < 64) {
      const name = `${image.name.replace(/\.\w+$/, "")}.jpg`;
      URL.revokeObjectURL(image.src);
      return { blob, name, type: "image/jpeg", width, height, src: URL.createObjectURL(blob), shrunk: true };
    }
    side = Math.round(Math.max(width, height) * 0.8);
  }
}

/** A square around a face, cut from a shown element and drawn small. box: relative, as the service gives it. */
export function crop(element, box, side) {
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const [width, height] = [element.naturalWidth, element.naturalHeight];
  const span = 1.35 * Math.max(box.Width * width, box.Height * height);
  const left = (box.Left + box.Width / 2) * width - span / 2;
  const top = (box.Top + box.Height / 2) * height - span / 2;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(element, left, top, span, span, 0, 0, side, side);
  return canvas;
}
