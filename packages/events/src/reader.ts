/** Reads the change feed into the buffer of one route. */
import { isLeaseError, type LeaseBackend, type LeaseEvent } from "@lease/core";
import type { EventBuffer } from "./event-buffer.js";
import type { Telling } from "./report.js";
import { isWanted, type Settings } from "./settings.js";
import { backoffMs, pause } from "./timing.js";

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
  for (let failures = 0; !signal.aborted; failures += 1) {
    if (failures > 0) await pause(backoffMs(failures, settings.backoff), signal);
    try {
      if (atEnd) {
        after = await endOf(backend, signal);
        if (signal.aborted) return;
        atEnd = false;
        if (after !== undefined) buffer.pass(after);
      }
      for await (const event of backend.changes({ after, follow: true, signal })) {
        failures = 0;
        if (!(await admit(event, reading))) return;
        after = event.cursor;
      }
      if (signal.aborted) return;
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
  }
}

/** Puts an event into the buffer, waiting for room if it must. `false`: the route reads no more. */
async function admit(event: LeaseEvent, { settings, buffer, tell, signal }: Reading): Promise<boolean> {
  if (!isWanted(event, settings)) {
    buffer.pass(event.cursor);
    return true;
  }
  while (!buffer.offer(event)) {
    if (settings.whenFull === "stop") {
      const error = new Error(`The sink is ${settings.bufferSize} events behind.`);
      tell({ type: "stopped", why: "full", error });
      return false;
    }
    await buffer.room(signal);
    if (signal.aborted) return false;
  }
  return true;
}

/**
 * The cursor of the newest entry; `undefined` when none is kept, and any when `signal` aborts. It reads the history through: following from `"end"`
 * would name no cursor before the first event, and a feed that breaks until then could not be taken up without a gap.
 */
export async function endOf(backend: LeaseBackend, signal: AbortSignal): Promise<string | undefined> {
  let last: string | undefined;
  for await (const event of backend.changes({ signal })) last = event.cursor;
  return last;
}
