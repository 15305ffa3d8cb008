/**
 * A refusal in words: who holds it, why, for how long, the caller's position, one next step. The same words in the
 * library, on the command line and over HTTP.
 */
import { LeaseError } from "../errors.js";
import type { Blocker, Claim, Refusal } from "../model/model.js";
import { humanDuration } from "../text.js";

/**
 * Says a refusal in two or three sentences that a person or a model can act on.
 *
 * @param claims - what was asked for
 * @param waitedMs - how long the request stood in line; 0 if it did not
 */
export function describeRefusal(claims: readonly Claim[], refusal: Refusal, waitedMs = 0): string {
  const [first] = refusal.blockers;
  const wanted = list(claims.map(({ resource }) => `"${resource}"`));
  const waited = waitedMs > 0 ? ` after ${humanDuration(waitedMs)} in line` : "";
  if (first === undefined) return `Not granted${waited}: ${wanted}. Ask again.`;
  const others = refusal.blockerCount - 1;
  const more = others === 0 ? "" : ` ${others} other${others === 1 ? " is" : "s are"} also ahead of you.`;
  const next =
    waitedMs > 0
      ? `Next: do something else first, or ask again in ${humanDuration(refusal.retryInMs)}.`
      : `Next: ask with waitMs to stand in line, or ask again in ${humanDuration(refusal.retryInMs)}.`;
  return `Not granted${waited}: ${wanted}. ${describeBlocker(first)}.${more} You are number ${refusal.position} in line. ${next}`;
}

/** The error of a request that was not granted in time. */
export function unavailable(
  claims: readonly Claim[],
  refusal: Refusal,
  waitedMs = 0,
): LeaseError<"LEASE_UNAVAILABLE"> {
  const { blockers, blockerCount, position, retryInMs } = refusal;
  return new LeaseError("LEASE_UNAVAILABLE", describeRefusal(claims, refusal, waitedMs), {
    blockers,
    blockerCount,
    position,
    retryInMs,
  });
}

function describeBlocker(blocker: Blocker): string {
  const why = blocker.reason === null ? "" : ` (${blocker.reason})`;
  const left = humanDuration(blocker.expiresInMs);
  return blocker.state === "active"
    ? `${blocker.agentId} holds "${blocker.resource}" ${blocker.mode}${why}, for another ${left} unless renewed`
    : `${blocker.agentId} is in line before you for "${blocker.resource}" ${blocker.mode}${why}`;
}

function list(items: readonly string[]): string {
  const shown = items.slice(0, 3).join(", ");
  return items.length > 3 ? `${shown} and ${items.length - 3} more` : shown;
}
