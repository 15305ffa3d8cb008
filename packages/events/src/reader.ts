/** Reads the change feed into the buffer of one route. */
import { isLeaseError, type LeaseBackend, type LeaseEvent } from "@lease/core";
import { presentEnd } from "@lease/core/backend";
import type { EventBuffer } from "./event-buffer.js";
import type { Telling } from "./report.js";
import { isWanted, type Settings } from "./settings.js";
import { backoffMs, pause, within } from "./timing.js";

/**
 * How long a feed is kept open for a sink that has no room. Some stores send whether it is read or not, and what is sent
 * queues up in memory; let go and taken up again from its cursor, it waits in the store instead.
 */
const HOLD_MS = 1_000;

export interface Reading {
  readonly backend: LeaseBackend;
  readonly settings: Settings;
  readonly buffer: EventBuffer;
  readonly tell: (telling: Telling) => void;
  readonly signal: AbortSignal;
}

/**
 * Follows the feed until `signal` aborts, or until it cannot go on and has said why. Takes it up again where it broke.
 * Never rejects.
 *
 * @param from - after which cursor; left out: at the oldest entry kept
 */
export async function read(from: string | undefined, reading: Reading): Promise<void> {
  const { backend, settings, buffer, tell, signal } = reading;
  let after = from;
  let atEnd = false;
  // Since the last event: a feed that gives some before it breaks has come back.
  let failures = 0;
  while (!signal.aborted) {
    if (failures > 0) await pause(backoffMs(failures, settings.backoff), signal);
    try {
      let isHeldUp = false;
      if (atEnd) {
        after = await presentEnd(backend);
        if (signal.aborted) return;
        atEnd = false;
        buffer.pass(after);
      }
      for await (const event of backend.changes({ after, follow: true, signal })) {
        failures = 0;
        const fate = await admit(event, reading);
        if (fate === "stopped") return;
        isHeldUp = fate === "held-up";
        if (isHeldUp) break;
        after = event.cursor;
      }
      if (signal.aborted) return;
      if (isHeldUp) {
        await buffer.room(signal);
        continue;
      }
      tell({ type: "feed-failed", error: new Error("The feed ended.") });
    } catch (error) {
      if (signal.aborted) return;
      if (isLeaseError(error, "CURSOR_EXPIRED")) {
        const policy = settings.whenCursorExpired;
        tell({ type: "cursor-expired", cursor: after ?? null, policy, error });
        if (policy === "stop") return tell({ type: "stopped", why: "cursor-expired", error });
        after = undefined;
        atEnd = policy === "end";
      } else if (isLeaseError(error, "CLOSED", "INVALID_ARGUMENT", "BACKEND_INCOMPATIBLE")) {
        return tell({ type: "stopped", why: "feed", error });
      } else {
        tell({ type: "feed-failed", error });
      }
    }
    failures += 1;
  }
}

/** Puts an event into the buffer, waiting a little for room if it must. `stopped`: the route reads no more. */
async function admit(
  event: LeaseEvent,
  { settings, buffer, tell, signal }: Reading,
): Promise<"admitted" | "held-up" | "stopped"> {
  if (!isWanted(event, settings)) {
    buffer.pass(event.cursor);
    return "admitted";
  }
  if (buffer.offer(event)) return "admitted";
  if (settings.whenFull === "stop") {
    const error = new Error(`The sink is ${settings.bufferSize} events behind.`);
    tell({ type: "stopped", why: "full", error });
    return "stopped";
  }
  await within(buffer.room(signal), HOLD_MS);
  if (signal.aborted) return "stopped";
  return buffer.offer(event) ? "admitted" : "held-up";
}
