/** The service behind this page: what it says of itself, and its two endpoints. Only this module makes requests. */

// Relative to the page, so that it also works below whatever path an ingress adds.
const url = (path) => new URL(path, document.baseURI).href;

export const ENDPOINTS = { detect: url("face_comparison"), compare: url("face_comparison/compare") };
export const DOCUMENT = url("openapi.json");

let key = "";

/** Keep an API key, in memory only; an empty one forgets it. */
export function useKey(value) {
  key = value.trim();
  document.dispatchEvent(new Event("key"));
}

export const hasKey = () => key !== "";

/** What went wrong. `code`: the service's, or `unreachable` and `unexpected`, which mean that it did not answer itself. */
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

/**
 * Send a request as `samples.js` describes it.
 *
 * Returns {reply, status, milliseconds, stages, sent, received}; stages: milliseconds by name, as the service measured
 * them. Throws ServiceError; aborted: the browser's AbortError.
 */
export function send(request, signal) {
  return exchange(request.url, { method: "POST", signal, ...body(request) });
}

function body({ image, json, form }) {
  const headers = key ? { "x-api-key": key } : {};
  if (image) return { body: image.blob, headers: { ...headers, "Content-Type": image.type } };
  if (json) return { body: JSON.stringify(json), headers: { ...headers, "Content-Type": "application/json" } };
  const data = new FormData();
  for (const part of form) {
    if (part.blob) data.append(part.name, part.blob, part.file);
    else data.append(part.name, part.text);
  }
  return { body: data, headers };
}

async function exchange(address, options) {
  const started = performance.now();
  let response, text;
  try {
    response = await fetch(address, { credentials: "same-origin", ...options });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError({ code: "unreachable" });
  }
  const milliseconds = performance.now() - started;
  performance.mark("reply");
  let reply;
  try {
    reply = JSON.parse(text);
  } catch {
    throw new ServiceError({ code: "unexpected", status: response.status });
  }
  if (!response.ok) throw refusal(response, reply);
  return { reply, status: response.status, milliseconds, stages: stages(response), received: text.length };
}

function refusal(response, reply) {
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
