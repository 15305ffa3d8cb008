/** For how long the end of an id is certainly remembered, so that it has one life. */
import type { JudgeLimits } from "./limits.js";
import type { LoggedCall } from "./log.js";
import { isQueueing, type Story } from "./story.js";
import type { LeaseTimes } from "./times.js";

/** Between `from` and `until` every acquire of the id is answered `ended`, and nothing lives under it. */
export interface RememberedEnd {
  readonly from: number;
  readonly until: number;
  /** `null` where it is not certain how it ended. */
  readonly end: "expired" | "revoked" | null;
  readonly call: LoggedCall;
}

/** @param leases - those of the story */
export function rememberedEnds(
  story: Story,
  leases: readonly LeaseTimes[],
  { endMemoryMs }: JudgeLimits,
): RememberedEnd[] {
  const ends: RememberedEnd[] = [];
  for (const { request, answer, from, to, logged } of story.releases) {
    if (answer?.status === "revoked") {
      ends.push({ from: to, until: from + endMemoryMs, end: "revoked", call: logged });
    } else if (request.kind === "abandon" && answer !== null && answer.status !== "not-owner") {
      ends.push({ from: to, until: from + endMemoryMs, end: null, call: logged });
    }
  }
  for (const { overBy, lived } of leases) {
    if (lived === undefined || overBy === Number.POSITIVE_INFINITY || mayBeForgotten(story, overBy)) continue;
    const isByTime = !story.releases.some(
      ({ request, from }) => request.kind !== "release" && from <= overBy,
    );
    const end = isByTime ? "expired" : null;
    ends.push({ from: overBy, until: lived.value + endMemoryMs, end, call: lived.item.call });
  }
  return ends;
}

/** Whether a lease of the story that was over by a moment can have been released, or have left the queue. */
export function mayBeForgotten({ releases, acquires }: Story, overBy: number): boolean {
  const mayBeReleased = releases.some(
    ({ request, answer, from }) =>
      request.kind === "release" &&
      from <= overBy &&
      (answer === null || answer.status === "released" || answer.status === "cancelled"),
  );
  const mayHaveLeft = (call: (typeof acquires)[number]): boolean => {
    if (isQueueing(call) || call.from > overBy) return false;
    return call.answer === null || (call.answer.status === "refused" && call.answer.lease === null);
  };
  return mayBeReleased || acquires.some(mayHaveLeft);
}
