import type { LeaseBackend, LeaseEvent } from "@lease/core";
import type { CaseContext } from "./context.js";

/** Reads a feed in the background. */
export function follow(c: CaseContext, on: LeaseBackend, options: Parameters<LeaseBackend["changes"]>[0]) {
  const abort = new AbortController();
  const events: LeaseEvent[] = [];
  const reader = on.changes({ ...options, follow: true, signal: abort.signal })[Symbol.asyncIterator]();
  // Asking for the first event starts the feed, wherever it begins.
  let first: Promise<IteratorResult<LeaseEvent>> | undefined = reader.next();
  const running = (async () => {
    for (;;) {
      const { done, value } = await (first ?? reader.next());
      first = undefined;
      if (done) return;
      events.push(value);
    }
  })();
  running.catch(() => {});
  return {
    events,
    until: (enough: (events: readonly LeaseEvent[]) => boolean) =>
      c.time.until(async () => (enough(events) ? true : undefined), "the follower sees the events"),
    stop: async () => {
      abort.abort();
      await c.time.settles(running, "the follower ends at the abort");
    },
  };
}
