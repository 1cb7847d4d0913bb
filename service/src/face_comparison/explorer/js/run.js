/** One request at a time: a newer one ends the older, and the time from reply to image is measured. */

import { afterPaint } from "./dom.js";
import { send } from "./service.js";

export function runner() {
  let running = null;
  /** Send, then call shown(answer) or failed(error), unless a newer request has begun meanwhile. */
  async function run(request, shown, failed) {
    run.cancel();
    const mine = running;
    let answer;
    try {
      answer = await send(request, mine.signal);
    } catch (error) {
      if (error.name !== "AbortError" && running === mine) failed(error);
      return;
    }
    if (running !== mine) return;
    shown(answer);
    afterPaint(() => performance.measure("reply to shown", "reply"));
  }

  /** End what is under way. */
  run.cancel = () => {
    running?.abort();
    running = new AbortController();
  };

  /** Returns a function that tells whether nothing was begun or ended since. */
  run.current = () => {
    const mine = running;
    return () => running === mine;
  };

  return run;
}
