/** Everything that a log says about one id, and about each lease that lived under it. */
import type { Claim, Lease } from "@lease/core";
import type { AcquireCall, Denial, ReleaseCall, RenewCall } from "./calls.js";
import type { LoggedCall } from "./log.js";

/** An answer by which a lease lived at some moment from `from` to `to`. */
export interface Sighting {
  readonly call: LoggedCall;
  readonly from: number;
  readonly to: number;
  readonly state: "pending" | "active";
  /** What the agent that the lease belongs to was promised: so much time was left at that moment. */
  readonly promisedMs: number | null;
  /** Renewals counted by then, where they were shown. */
  readonly renewals: number | null;
}

/** An answer by which no lease of an id lived at some moment from `from` to `to`. */
interface Absence {
  readonly call: LoggedCall;
  readonly from: number;
  readonly to: number;
}

/** One lease, as far as anybody was shown it: an id lives at most once with one token. */
export interface Life {
  readonly story: Story;
  readonly token: number;
  readonly agentId: string;
  /** As first shown; `null` as long as only blockers told of it. */
  lease: Lease | null;
  readonly sightings: Sighting[];
}

/** All calls about one id. */
export interface Story {
  readonly id: string;
  /** Those that had, or may have had, an effect. */
  readonly acquires: AcquireCall[];
  readonly denials: Denial[];
  readonly renewals: RenewCall[];
  readonly releases: ReleaseCall[];
  readonly absences: Absence[];
  /** By token, smallest first. */
  lives: Life[];
}

/** The claims of a lease: as shown, or as they were asked for. */
export function claimsOf({ lease, story, agentId }: Life): readonly Claim[] {
  if (lease !== null) return lease.claims;
  return story.acquires.find(({ request }) => request.agentId === agentId)?.request.claims ?? [];
}

/** The first acquire that can have begun a lease: it was answered with it, or not at all. */
export function beginningOf({ story, agentId, token }: Life): AcquireCall | undefined {
  return story.acquires.find(({ request, answer }) => {
    if (request.agentId !== agentId) return false;
    if (answer === null) return true;
    return (
      answer.status !== "ended" && answer.lease?.token === token && !("repeated" in answer && answer.repeated)
    );
  });
}

/** Whether a refused request stays queued. */
export function isQueueing({ request }: AcquireCall): boolean {
  return request.wait !== "no";
}

/** Whether the step that frees its claims may grant it. */
export function mayBeHandedOver({ request }: AcquireCall): boolean {
  return request.wait === "hand-off";
}
