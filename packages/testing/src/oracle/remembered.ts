/** For how long the end of an id is certainly remembered: an id has one life. */
import type { JudgeLimits } from "./limits.js";
import type { LoggedCall } from "./log.js";
import { isQueueing, type Story } from "./story.js";
import type { LifeTimes } from "./times.js";

/** Between `from` and `until` every acquire of the id is answered `ended`, and nothing lives under it. */
export interface RememberedEnd {
  readonly from: number;
  readonly until: number;
  /** `"any"`: how it ended is not certain. */
  readonly end: "expired" | "revoked" | "any";
  readonly call: LoggedCall | undefined;
}

/** @param lives - the leases of the story, by token */
export function rememberedEnds(
  story: Story,
  lives: readonly LifeTimes[],
  limits: JudgeLimits,
  endsEarly: boolean,
): RememberedEnd[] {
  const ends: RememberedEnd[] = [];
  for (const { request, answer, from, to, logged } of story.releases) {
    if (answer === null || request.kind === "release") continue;
    const isBuried = request.kind === "abandon" ? answer.status !== "not-owner" : answer.status === "revoked";
    const end = request.kind === "abandon" ? "any" : "revoked";
    if (isBuried) ends.push({ from: to, until: from + limits.endMemoryMs, end, call: logged });
  }
  for (const life of endsEarly ? [] : lives) {
    const from = life.latestEnd;
    const proven = life.provenUntil();
    if (from === Number.POSITIVE_INFINITY || proven === undefined || mayBeForgotten(story, from)) continue;
    const isByTime = !story.releases.some(
      ({ request, from: sentAt }) => request.kind !== "release" && sentAt <= from,
    );
    ends.push({
      from,
      until: proven.value + limits.endMemoryMs,
      end: isByTime ? "expired" : "any",
      call: proven.item.call,
    });
  }
  return ends;
}

/** Whether a lease of the story that was over by a moment may have been released, or have left the queue. */
export function mayBeForgotten(story: Story, overBy: number): boolean {
  const released = story.releases.some(
    ({ request, answer, from }) =>
      request.kind === "release" && from <= overBy && (answer === null || isEnd(answer.status)),
  );
  if (released) return true;
  return story.acquires.some(
    (call) =>
      !isQueueing(call) &&
      call.from <= overBy &&
      (call.answer === null || (call.answer.status === "refused" && call.answer.lease === null)),
  );
}

function isEnd(status: string): boolean {
  return status === "released" || status === "cancelled";
}
