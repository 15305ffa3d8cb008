/** A listing kept up to date by the feed: how whoever lists and then follows has to read the two. */
import type { Lease, LeaseEvent } from "@lease/core";

/** What is live after these events, by token: each event's lease takes the place of what was known of it before. */
export function replay(listed: readonly Lease[], events: readonly LeaseEvent[]): Lease[] {
  const known = new Map(listed.map((lease) => [lease.id, lease]));
  for (const { lease } of events) {
    if (lease.state === "pending" || lease.state === "active") known.set(lease.id, lease);
    else known.delete(lease.id);
  }
  return [...known.values()].sort((a, b) => a.token - b.token);
}

/** As much of a lease as a listing and the feed tell alike. */
export function standing(leases: readonly Lease[]): [id: string, state: string, token: number][] {
  return leases.map(({ id, state, token }) => [id, state, token]);
}
