/**
 * A refusal in words: the blocker, its reason, the time it has left, the caller's position, one next step. The same
 * words in the library, on the command line and over HTTP.
 */
import { LeaseError } from "../errors.js";
import type { Blocker, Claim, Refusal } from "../model/model.js";
import { agentName, humanDuration, quoted } from "../text.js";

/** For which caller and surface a refusal is worded. */
export interface RefusalWording {
  /** The agent that asked: a blocker of its own is named as such. */
  readonly agentId?: string;
  /** How long the request was queued, in milliseconds. Default 0: it was not. */
  readonly waitedMs?: number;
  /** How to queue, in the words of the surface that shows the refusal. Default: in those of this library. */
  readonly toQueue?: string;
}

/**
 * Describes a refusal in a few sentences that a person or a model can act on. What others wrote stands in quotes.
 *
 * @param claims - what was asked for
 */
export function describeRefusal(
  claims: readonly Claim[],
  refusal: Refusal,
  { agentId, waitedMs = 0, toQueue = "call acquire() with waitMs to queue" }: RefusalWording = {},
): string {
  const wanted = list(claims.map(({ resource }) => quoted(resource)));
  const waited = waitedMs > 0 ? ` after ${humanDuration(waitedMs)} in the queue` : "";
  const isOwn = (blocker: Blocker) => blocker.agentId === agentId;
  const held = refusal.blockers.find((blocker) => blocker.state === "active" && isOwn(blocker));
  const shown = held ?? refusal.blockers[0];
  if (shown === undefined) return `Not granted${waited}: ${wanted}. Ask again.`;
  const others = refusal.blockerCount - 1;
  const more = others === 0 ? "" : ` ${others} other${others === 1 ? " is" : "s are"} also ahead of you.`;
  const again = `ask again in ${humanDuration(refusal.retryInMs)}`;
  const otherwise = waitedMs > 0 ? "do something else first" : toQueue;
  const next = held ? "use that lease, or release it and ask again" : `${otherwise}, or ${again}`;
  return `Not granted${waited}: ${wanted}. ${describeBlocker(shown, isOwn(shown))}.${more} You would be number ${refusal.position} in the queue. Next: ${next}.`;
}

/** The error of a request that was not granted in time. */
export function unavailable(
  claims: readonly Claim[],
  refusal: Refusal,
  wording?: RefusalWording,
): LeaseError<"LEASE_UNAVAILABLE"> {
  const { blockers, blockerCount, position, retryInMs } = refusal;
  const details = { blockers, blockerCount, position, retryInMs };
  return new LeaseError("LEASE_UNAVAILABLE", describeRefusal(claims, refusal, wording), details);
}

function describeBlocker(blocker: Blocker, isOwn: boolean): string {
  const { id, agentId, resource, mode, reason } = blocker;
  const claim = `${quoted(resource)} ${mode}${reason === null ? "" : ` (reason: ${quoted(reason)})`}`;
  if (blocker.state === "pending") {
    return isOwn
      ? `You are queued already for ${claim}, as request ${id}`
      : `${agentName(agentId)} is queued before you for ${claim}`;
  }
  const holder = isOwn
    ? `You hold ${claim} yourself, as lease ${id}`
    : `${agentName(agentId)} holds ${claim}`;
  return `${holder}, for another ${humanDuration(blocker.expiresInMs)} unless renewed`;
}

function list(items: readonly string[]): string {
  const shown = items.slice(0, 3).join(", ");
  return items.length > 3 ? `${shown} and ${items.length - 3} more` : shown;
}
