/** The service behind this page: what it says of itself, and its endpoints. Only this module makes requests. */

// Relative to the page, so that it also works below whatever path an ingress adds.
const url = (path) => new URL(path, document.baseURI).href;

export const ENDPOINTS = { detect: url("face_comparison"), compare: url("face_comparison/compare"), collections: url("face_comparison/collections") };
export const DOCUMENT = url("openapi.json");

/** What an API key may allow. */
const PERMISSIONS = ["detect", "search", "enroll", "erase", "admin"];

const TEMPORARY = ["not_ready", "draining"];

let key = "";
let granted = null; // permissions of the key; null: not known, so that everything is offered
let verified = ""; // good, unknown (to the service), or "" (not checked yet)

/** Keep an API key, in memory only, and ask the service about it; an empty one forgets it. Returns good, unknown or "". */
export async function useKey(value) {
  key = value.trim();
  [granted, verified] = [null, ""];
  if (key) await verifyKey();
  document.dispatchEvent(new Event("key"));
  return verified;
}

export const hasKey = () => key !== "";
export const currentKey = () => key;
export const isKeyUnknown = () => verified === "unknown";
export const mayDo = (...permissions) => granted === null || permissions.some((permission) => granted.includes(permission));

async function verifyKey() {
  try {
    const { reply } = await exchange(ENDPOINTS.detect, { headers: authorization() });
    [granted, verified] = [reply.permissions ?? PERMISSIONS, "good"];
  } catch (error) {
    if (["unauthorized", "forbidden"].includes(error.code)) [granted, verified] = [null, "unknown"];
  }
}

const authorization = () => (key ? { "x-api-key": key } : {});

/**
 * What went wrong. `code`: the service's, or `unreachable` and `unexpected` (it did not answer itself), or
 * `not_permitted` (the key is known, but may not do this).
 */
export class ServiceError extends Error {
  constructor({ code, message = "", status = 0, requestId = "", retryAfter = 0, reply = null }) {
    super(message);
    Object.assign(this, { code, status, requestId, retryAfter, reply });
  }
}

/** The OpenAPI document; its `x-service` has limits and defaults. */
export async function openapi() {
  const { reply } = await exchange(DOCUMENT, { cache: "no-cache" });
  return reply;
}

/** Whether the service answers, told by the event `service` as every other exchange tells it. */
export async function probe() {
  try {
    const { ok, status } = await fetch(DOCUMENT, { method: "HEAD", cache: "no-cache" });
    report(ok || status === 304 ? "ready" : status === 503 ? "waiting" : "failed");
  } catch {
    report("failed");
  }
}

const report = (state) => document.dispatchEvent(new CustomEvent("service", { detail: state }));

/**
 * Send a request as `samples.js` describes it.
 *
 * Returns {reply, status, milliseconds, stages, received}; stages: milliseconds by name, as the service measured them.
 * Throws ServiceError; aborted: the browser's AbortError.
 */
export function send(request, signal) {
  return authorized(request.url, { method: "POST", signal, ...body(request) });
}

/** Call a route of collections: the path below them as segments, a query, a JSON body. Returns the reply. */
export async function call(method, segments, { query = {}, json = null } = {}) {
  const address = collectionUrl(segments, query);
  const { reply } = await authorized(address, { method, headers: authorization(), ...(json ? body({ json }) : {}) });
  return reply;
}

/** Send an image to a route of collections. Returns the reply. */
export async function callWithImage(segments, image, query = {}) {
  const { reply } = await send({ url: collectionUrl(segments, query), image: { blob: image.blob, type: image.type || "application/octet-stream" } });
  return reply;
}

function collectionUrl(segments, query) {
  const path = [ENDPOINTS.collections, ...segments.map(encodeURIComponent)].join("/");
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== null && value !== "")).toString();
  return path + (text && `?${text}`);
}

function body({ image, json, form }) {
  const headers = authorization();
  if (image) return { body: image.blob, headers: { ...headers, "Content-Type": image.type } };
  if (json) return { body: JSON.stringify(json), headers: { ...headers, "Content-Type": "application/json" } };
  const data = new FormData();
  for (const part of form) {
    if (part.blob) data.append(part.name, part.blob, part.file);
    else data.append(part.name, part.text);
  }
  return { body: data, headers };
}

/** An exchange after which a rejected key is looked at again: it may be revoked, or known but not allowed to do this. */
async function authorized(address, options) {
  try {
    return await exchange(address, options);
  } catch (error) {
    if (error.code === "forbidden" && key) {
      await verifyKey();
      if (verified === "good") error.code = "not_permitted";
      document.dispatchEvent(new Event("key-checked"));
    }
    throw error;
  }
}

async function exchange(address, options) {
  const started = performance.now();
  let response, text;
  try {
    response = await fetch(address, { credentials: "same-origin", ...options });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    report("failed");
    throw new ServiceError({ code: "unreachable" });
  }
  const milliseconds = performance.now() - started;
  performance.mark("reply");
  let reply;
  try {
    reply = JSON.parse(text);
  } catch {
    report("failed");
    throw new ServiceError({ code: "unexpected", status: response.status });
  }
  const error = response.ok ? null : rejection(response, reply);
  report(TEMPORARY.includes(error?.code) ? "waiting" : error?.code === "unexpected" ? "failed" : "ready");
  if (error) throw error;
  return { reply, status: response.status, milliseconds, stages: stages(response), received: text.length };
}

function rejection(response, reply) {
  const { code, message, request_id: requestId } = reply.error ?? {};
  return new ServiceError({
    code: code ?? "unexpected",
    message,
    status: response.status,
    requestId,
    retryAfter: Number(response.headers.get("Retry-After")) || 0,
    reply,
  });
}

function stages(response) {
  const header = response.headers.get("Server-Timing") ?? "";
  return Object.fromEntries(Array.from(header.matchAll(/([\w-]+);dur=([\d.]+)/g), ([, name, value]) => [name, Number(value)]));
}
