/** What can have ended the leases of an id, and which of them an answer can be of. */
import type { ReleaseRequest } from "@lease/core/backend";
import type { Call, ReleaseCall, RenewCall } from "./calls.js";
import type { Evidence } from "./evidence.js";
import { GRAIN_MS, type Proof } from "./proofs.js";
import { isQueueing, type Story } from "./story.js";
import type { LeaseTimes } from "./times.js";

type RevokeCall = ReleaseCall & { readonly request: Extract<ReleaseRequest, { kind: "revoke" }> };

/** The revokes of an id, hard and soft, that can have had their effect by a moment. */
export function revokesOf({ releases }: Story, by: number): RevokeCall[] {
  return releases.filter(
    (call): call is RevokeCall =>
      call.request.kind === "revoke" && call.from <= by && call.answer?.status !== "not-found",
  );
}

/** Whether time alone can have ended a lease of the id by a moment. */
export function couldHaveExpired(evidence: Evidence, story: Story, by: number): boolean {
  if (evidence.endsEarly) return story.acquires.length > 0;
  for (const lease of evidence.leasesOf(story)) {
    const state = lease.activeBy < by ? "active" : "pending";
    const soonest = lease.soonestExpiry(state, Number.POSITIVE_INFINITY)?.value ?? Number.NEGATIVE_INFINITY;
    // What was gone before did not expire.
    if (soonest <= by && lease.goneBy >= soonest) return true;
  }
  // A lease that no answer shows.
  return story.acquires.some((call) => {
    const { answer, request, from } = call;
    const leastMs = isQueueing(call) ? Math.min(request.ttlMs, request.waitTtlMs) : request.ttlMs;
    return answer === null && from + leastMs - GRAIN_MS <= by;
  });
}

/** A lease of the id that lives on after a call which says that there is none. */
export function livingOn(
  evidence: Evidence,
  story: Story,
  { from, to }: Call<unknown, unknown>,
): { readonly lease: LeaseTimes; readonly proof: Proof } | null {
  for (const lease of evidence.leasesOf(story)) {
    // What was sent for later contradicts this call, and is judged itself.
    const lived = lease.livedBy(to);
    if (lived !== undefined && lease.enteredBy < from && lived.value > to)
      return { lease, proof: lived.item };
  }
  return null;
}

/**
 * The one lease that an answer can be of that names none: the one with the token of the request, or the only one. An
 * acquire without an answer may have begun another.
 */
export function leaseMeant(evidence: Evidence, call: RenewCall | ReleaseCall): LeaseTimes | undefined {
  const { request, from, to } = call;
  const story = evidence.story(request.id);
  const token = "token" in request ? request.token : undefined;
  const leases = evidence.leasesOf(story).filter((lease) => token === undefined || lease.token === token);
  const [lease] = leases;
  if (lease === undefined || leases.length > 1) return undefined;
  if (token !== undefined || lease.livedThrough(from, to) !== null) return lease;
  return story.acquires.some(({ answer, from: sentAt }) => answer === null && sentAt <= to)
    ? undefined
    : lease;
}
