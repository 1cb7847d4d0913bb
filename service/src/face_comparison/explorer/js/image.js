/** Images as the visitor gave them, and the copies that are sent where the service does not take them as they are. */

const QUALITY = 0.92;
const TOGETHER_SIDE = 1280;
const PART_BYTES = 1024; // what stands around an image in a form

const text = (bytes, from, to) => String.fromCharCode(...bytes.slice(from, to));

/** Media type of a file by its first bytes, "" for what is not an image. The name and the declared type may be wrong. */
export function sniffed(bytes) {
  const start = text(bytes, 0, 4);
  if (start.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (start === "\x89PNG") return "image/png";
  if (start.startsWith("BM")) return "image/bmp";
  if (start === "RIFF" && text(bytes, 8, 12) === "WEBP") return "image/webp";
  if (start === "GIF8") return "image/gif";
  if (start === "II*\0" || start === "MM\0*") return "image/tiff";
  if (text(bytes, 4, 8) === "ftyp") return /^avi[fs]/.test(text(bytes, 8, 12)) ? "image/avif" : /^(hei|hev|mif|msf)/.test(text(bytes, 8, 12)) ? "image/heic" : "";
  return /^\s*(<\?xml|<svg|<!--)/.test(text(bytes, 0, 64)) && /<svg/.test(text(bytes, 0, 512)) ? "image/svg+xml" : "";
}

/**
 * Open a file: {blob, name, type, width, height, src, made}; src: an object URL. made: the visitor has no such file.
 *
 * Width and height are upright, as the service counts them; 0 when this browser cannot show the file. The service may
 * still be able to, and says best what is wrong with it.
 */
export async function opened({ blob, name, made = false }) {
  const type = sniffed(new Uint8Array(await blob.slice(0, 512).arrayBuffer()));
  const typed = type && type !== blob.type ? blob.slice(0, blob.size, type) : blob;
  const image = { blob: typed, name, type: type || blob.type, width: 0, height: 0, src: URL.createObjectURL(typed), made };
  const element = new Image();
  element.src = image.src;
  try {
    await element.decode();
  } catch {
    return image;
  }
  return { ...image, width: element.naturalWidth, height: element.naturalHeight };
}

const held = new Map(); // by keeper: the images that it shows

/**
 * Returns keep(images): says which images a page shows. The memory of those that it showed before is given back, unless
 * another page shows them too.
 */
export function keeper() {
  function keep(images) {
    const before = held.get(keep) ?? [];
    held.set(keep, images);
    release(before);
  }
  return keep;
}

/** Give back the memory of those images that no page shows. */
export function release(images) {
  const shown = new Set([...held.values()].flat());
  for (const image of images) if (!shown.has(image)) URL.revokeObjectURL(image.src);
}

/** Whether the content of a file, or what it was declared to be, is an image. */
export async function isImage(blob, name) {
  if (sniffed(new Uint8Array(await blob.slice(0, 512).arrayBuffer()))) return true;
  return blob.type.startsWith("image/") || /\.(jpe?g|png|bmp|webp|avif|hei[cf])$/i.test(name);
}

/** Media types of the formats that the service lists. */
const accepted = (formats) => formats.map((format) => `image/${format === "jpg" ? "jpeg" : format}`);

/** Why the service would reject an image for what it is: `format`, `side`, `bytes`; null: it would not. */
export function obstacle(image, { formats, limits }) {
  if (!image.width) return null;
  if (!accepted(formats).includes(image.type)) return "format";
  if (Math.max(image.width, image.height) > limits.max_side_pixels) return "side";
  return image.blob.size > limits.max_body_bytes - 2 * PART_BYTES ? "bytes" : null;
}

/** An opened image that the service takes: itself, or a copy. `reason` of a copy: see `obstacle`. */
export async function acceptable(file, service) {
  const image = await opened(file);
  const reason = obstacle(image, service);
  if (!reason) return image;
  const copy = await smaller(image, service.limits.max_side_pixels, service.limits.max_body_bytes - 2 * PART_BYTES);
  release([image]);
  return { ...copy, reason };
}

/** Images that fit into one request together: themselves, or copies; null: even copies do not fit. */
export async function acceptableTogether(images, { limits }) {
  const room = limits.max_body_bytes - PART_BYTES * images.length - 4 * PART_BYTES;
  const total = (list) => list.reduce((sum, image) => sum + image.blob.size, 0);
  if (total(images) <= room) return images;
  const share = room / images.length;
  const copies = [];
  for (const image of images) {
    const fits = !image.width || image.blob.size <= share / 4;
    copies.push(fits ? image : { ...(await smaller(image, TOGETHER_SIDE, share)), reason: "total" });
  }
  if (total(copies) <= room) return copies;
  release(copies);
  return null;
}

/** Width and height that fit into a square, never larger than they are. */
export function fitted(width, height, side) {
  const factor = Math.min(1, side / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) };
}

/** A JPG copy of at most `side` pixels per side and `bytes` bytes, with a name that no file of the visitor has. */
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
      const original = image.original ?? image.name;
      const name = `${original.replace(/\.\w+$/, "")}-sent.jpg`;
      return { blob, name, original, type: "image/jpeg", width, height, src: URL.createObjectURL(blob), made: true };
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
