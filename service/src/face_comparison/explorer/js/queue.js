/** Sends the requests of several entries, a few at a time, and measures the time from reply to image. */

import { afterPaint } from "./dom.js";
import { send } from "./service.js";

const AT_ONCE = 2; // one is sent while the other is worked on; more would only wait in the service

/**
 * An entry has `sent`, a request as samples.js describes it. It is `busy` until it has an `answer` or an `error`; then
 * finished(entry) is called.
 *
 * add(entry, urgent): send its request after the others, or next. A request of this entry that is under way is ended.
 * drop(entry): say nothing more about it. left(): how many are not finished.
 */
export function queue(finished) {
  let waiting = [];
  const running = new Map();

  function add(entry, urgent) {
    drop(entry);
    Object.assign(entry, { answer: null, error: null, busy: true });
    waiting = urgent ? [entry, ...waiting] : [...waiting, entry];
    next();
  }

  function drop(entry) {
    waiting = waiting.filter((each) => each !== entry);
    running.get(entry)?.abort();
    running.delete(entry);
  }

  async function next() {
    if (running.size >= AT_ONCE || !waiting.length) return;
    const entry = waiting.shift();
    const mine = new AbortController();
    running.set(entry, mine);
    let result;
    try {
      result = { answer: await send(entry.sent, mine.signal), error: null };
    } catch (error) {
      result = { answer: null, error };
    }
    if (running.get(entry) === mine) {
      running.delete(entry);
      Object.assign(entry, result, { busy: false });
      finished(entry);
      afterPaint(() => performance.measure("reply to shown", "reply"));
    }
    next();
  }

  return { add, drop, left: () => waiting.length + running.size };
}
