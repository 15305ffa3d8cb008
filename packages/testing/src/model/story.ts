/** What a history tells of each lease, without the times: this much must be the same everywhere. */
import type { Lease, LeaseEvent } from "@lease/core";

export interface Told {
  readonly type: string;
  readonly by: string | null;
  readonly reason: string | null;
  readonly lease: Pick<Lease, "state" | "token" | "renewals" | "maxRenewals" | "claims" | "agentId">;
}

/** The stories of a history, by lease id. */
export function stories(events: readonly LeaseEvent[], withRenewals: boolean): Map<string, Told[]> {
  const told = new Map<string, Told[]>();
  for (const { type, by, reason, lease } of events) {
    if (type === "renewed" && !withRenewals) continue;
    const { state, token, renewals, maxRenewals, claims, agentId } = lease;
    const story = told.get(lease.id) ?? [];
    story.push({ type, by, reason, lease: { state, token, renewals, maxRenewals, claims, agentId } });
    told.set(lease.id, story);
  }
  return told;
}

/** How many events all stories tell. */
export function countOf(told: ReadonlyMap<string, readonly Told[]>): number {
  return [...told.values()].reduce((sum, story) => sum + story.length, 0);
}
