/**
 * Giving a lease or a place in the queue back to a store that may be away.
 */
import type { ReleaseRequest } from "../backend/backend.js";
import type { ReleaseOutcome } from "./api.js";
import { isTransient, pause, retryDelayMs } from "./backoff.js";
import type { WaitContext } from "./context.js";

/**
 * Releases one lease, trying again while that may help, at most until `until` on the caller's clock.
 *
 * @returns what the backend said, or `unconfirmed` when it never did; never rejects
 */
export async function giveBack(
  context: Pick<WaitContext, "backend" | "clock" | "random" | "giveUp">,
  request: ReleaseRequest,
  until: number,
): Promise<ReleaseOutcome> {
  const { backend, clock, random, giveUp } = context;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const [result] = await backend.release([request]);
      return result?.status === "released" || result?.status === "cancelled" ? "released" : "gone";
    } catch (error) {
      const pauseMs = retryDelayMs(attempt, random);
      if (!isTransient(error) || clock.now() + pauseMs >= until) return "unconfirmed";
      await pause(clock, pauseMs, giveUp);
      if (giveUp?.aborted === true) return "unconfirmed";
    }
  }
}
