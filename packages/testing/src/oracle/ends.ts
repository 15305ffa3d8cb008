/** What can have ended the leases of an id. */
import type { ReleaseRequest } from "@lease/core/backend";
import type { ReleaseCall, RenewCall } from "./calls.js";
import type { Evidence } from "./evidence.js";
import { isQueueing, type Story } from "./story.js";
import { GRAIN_MS, type LifeTimes } from "./times.js";

type Revoke = Extract<ReleaseRequest, { kind: "revoke" }>;

/** The revokes of an id, hard and soft, that can have been applied by a moment. */
export function revokesOf({ releases }: Story, by: number): (ReleaseCall & { readonly request: Revoke })[] {
  return releases.filter(
    (call): call is ReleaseCall & { readonly request: Revoke } =>
      call.request.kind === "revoke" && call.from <= by && call.answer?.status !== "not-found",
  );
}

/** Whether time alone can have ended a lease of the id by a moment. */
export function couldHaveExpired(evidence: Evidence, story: Story, by: number): boolean {
  const lives = evidence.livesOf(story);
  if (evidence.options.endsEarly === true) return lives.length > 0 || story.acquires.length > 0;
  for (const life of lives) {
    const soonest = life.soonestExpiry(life.activeBy < by ? "active" : "pending", Number.POSITIVE_INFINITY);
    const expiresFrom = soonest?.value ?? Number.NEGATIVE_INFINITY;
    if (expiresFrom <= by && life.goneBy >= expiresFrom) return true;
  }
  // One that nobody was shown.
  return story.acquires.some((call) => {
    const { answer, request, from } = call;
    const leastMs = Math.min(request.ttlMs, isQueueing(call) ? request.waitTtlMs : request.ttlMs);
    return answer === null && from + leastMs - GRAIN_MS <= by;
  });
}

/**
 * The one lease that an answer about an id can be of, where it shows none: with its token, or as the only one that can
 * live then. An acquire that nobody heard of may have begun another.
 */
export function leaseMeant(
  { story, livesOf }: Evidence,
  { request, from, to }: RenewCall | ReleaseCall,
): LifeTimes | undefined {
  const of = story(request.id);
  const token = "token" in request ? request.token : undefined;
  const lives = livesOf(of).filter((life) => token === undefined || life.token === token);
  const [life] = lives;
  if (life === undefined || lives.length > 1) return undefined;
  if (token !== undefined || life.livedThrough(from, to) !== null) return life;
  return of.acquires.some((call) => call.answer === null && call.from <= to) ? undefined : life;
}
