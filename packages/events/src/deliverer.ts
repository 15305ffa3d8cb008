/** Gives one sink what is in its buffer: in order, one batch at a time, again until it succeeds. */
import type { LeaseEvent } from "@lease/core";
import { isDeliveryError } from "./delivery-error.js";
import { envelope } from "./envelope.js";
import type { EventBuffer } from "./event-buffer.js";
import type { Progress } from "./progress.js";
import type { Telling } from "./report.js";
import type { Settings } from "./settings.js";
import { backoffMs, pause } from "./timing.js";

export interface Delivering {
  readonly name: string;
  readonly source: string;
  readonly settings: Settings;
  readonly buffer: EventBuffer;
  readonly progress: Progress;
  readonly tell: (telling: Telling) => void;
  /** No new attempt after this. */
  readonly stopping: AbortSignal;
  /** What is under way should end. */
  readonly aborting: AbortSignal;
}

/** Delivers until the buffer ends, the route is stopped, or the sink refuses for good. Never rejects. */
export async function deliverAll(delivering: Delivering): Promise<void> {
  const { settings, buffer, progress, stopping } = delivering;
  for (;;) {
    const taken = await buffer.take(settings.sink.maxBatch ?? 1, stopping);
    if (taken === null) return;
    const { events, through } = taken;
    if (events.length === 0) {
      progress.passed(through);
    } else {
      if (!(await deliver(events, delivering))) return;
      await progress.reached(through);
    }
  }
}

/** `true` once the sink, or whoever takes dead letters, has the events; `false` when the route is to end here. */
async function deliver(events: readonly LeaseEvent[], delivering: Delivering): Promise<boolean> {
  const { source, settings, tell, stopping, aborting } = delivering;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const batch = events.map((event) => ({ event, cloudEvent: envelope(event, source) }));
      await settings.sink.deliver(batch, aborting);
      return true;
    } catch (error) {
      if (stopping.aborted) return false;
      const said = isDeliveryError(error) ? error : null;
      const fate =
        said?.refused === true || attempt >= settings.maxAttempts
          ? await bury(events, error, attempt, delivering)
          : "again";
      if (fate !== "again") return fate === "buried";
      const retryInMs = Math.max(backoffMs(attempt, settings.backoff), said?.retryAfterMs ?? 0);
      tell({ type: "retrying", attempt, retryInMs, error });
      await pause(retryInMs, stopping);
      if (stopping.aborted) return false;
    }
  }
}

/** Hands events over to the dead-letter handler. */
async function bury(
  events: readonly LeaseEvent[],
  error: unknown,
  attempts: number,
  { name, settings, tell }: Delivering,
): Promise<"buried" | "again" | "stop"> {
  if (settings.onDeadLetter === undefined) {
    tell({ type: "stopped", why: "refused", error });
    return "stop";
  }
  try {
    await settings.onDeadLetter({ sink: name, events, error, attempts });
  } catch (handlerError) {
    // Neither delivered nor taken: moving on now would lose them.
    tell({ type: "dead-letter-failed", error: handlerError });
    return "again";
  }
  tell({ type: "dead-letter", cursors: events.map((event) => event.cursor), error });
  return "buried";
}
