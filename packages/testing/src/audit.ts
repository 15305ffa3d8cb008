/**
 * Reads a change feed as an auditor would: without asking the store, are the promises kept in what it says happened?
 */
import type { Claim, Lease, LeaseEvent, LeaseEventType } from "@lease/core";
import { conflicts, firstConflict } from "@lease/core/backend";
import { CheckFailed } from "./assert.js";

/** Which events may follow the last one of a lease; `start` before its first. */
const MAY_FOLLOW: Record<LeaseEventType | "start", readonly LeaseEventType[]> = {
  start: ["queued", "acquired"],
  queued: ["acquired", "cancelled", "expired", "revoked"],
  acquired: ["renewed", "revoking", "released", "expired", "revoked"],
  renewed: ["renewed", "revoking", "released", "expired", "revoked"],
  revoking: ["renewed", "revoking", "released", "revoked"],
  released: [],
  expired: [],
  revoked: [],
  cancelled: [],
};

/** Whether an event can come after the last one of the same lease; `undefined`: it is its first. */
export function mayFollow(last: LeaseEventType | undefined, type: LeaseEventType): boolean {
  return MAY_FOLLOW[last ?? "start"].includes(type);
}

const STATE_AFTER: Record<LeaseEventType, Lease["state"]> = {
  queued: "pending",
  acquired: "active",
  renewed: "active",
  revoking: "active",
  released: "released",
  expired: "expired",
  revoked: "revoked",
  cancelled: "cancelled",
};

/**
 * Takes the events of a history in order and throws at the first that breaks a promise:
 *
 * - two leases that conflict are never held at once, nor is one granted past an earlier one that waits;
 * - grants of conflicting claims carry growing tokens, and no token is given twice;
 * - an id has one life, and each step of it follows from the one before.
 *
 * The history must be complete: from its first entry, unfiltered.
 */
export class FeedAudit {
  readonly #last = new Map<string, LeaseEvent>();
  readonly #live = new Map<string, Lease>();
  readonly #holderOfToken = new Map<number, string>();
  /** The greatest token granted so far, for each claim: it stays when the lease is gone. */
  readonly #granted = new Map<string, { claim: Claim; token: number }>();
  #cursors = new Set<string>();

  add(event: LeaseEvent): void {
    const { lease, type } = event;
    const before = this.#last.get(lease.id);
    if (this.#cursors.has(event.cursor)) throw broken("a cursor came twice", event);
    if (!mayFollow(before?.type, type)) {
      throw broken(`"${type}" cannot follow ${before === undefined ? "nothing" : `"${before.type}"`}`, event);
    }
    if (lease.state !== STATE_AFTER[type]) throw broken(`the snapshot says ${lease.state}`, event);
    if (before !== undefined && before.lease.token !== lease.token) throw broken("the token changed", event);
    if ((this.#holderOfToken.get(lease.token) ?? lease.id) !== lease.id)
      throw broken("the token was given before", event);
    if (type === "acquired") this.#checkGrant(event);

    this.#cursors.add(event.cursor);
    this.#last.set(lease.id, event);
    this.#holderOfToken.set(lease.token, lease.id);
    if (lease.state === "pending" || lease.state === "active") this.#live.set(lease.id, lease);
    else this.#live.delete(lease.id);
  }

  #checkGrant(event: LeaseEvent): void {
    const { lease } = event;
    for (const other of this.#live.values()) {
      if (other.id === lease.id || !firstConflict(lease.claims, other.claims)) continue;
      if (other.state === "active") throw broken(`${other.id} still holds a conflicting claim`, event);
      if (other.token < lease.token)
        throw broken(`${other.id} waits for a conflicting claim, and came first`, event);
    }
    for (const { claim, token } of this.#granted.values()) {
      if (token > lease.token && lease.claims.some((own) => conflicts(own, claim))) {
        throw broken(`token ${token} was granted for a conflicting claim before`, event);
      }
    }
    for (const claim of lease.claims) {
      const key = `${claim.mode} ${claim.resource}`;
      const token = Math.max(lease.token, this.#granted.get(key)?.token ?? 0);
      this.#granted.set(key, { claim, token });
    }
  }
}

/** Audits a complete history, given in order. */
export function auditFeed(events: Iterable<LeaseEvent>): void {
  const audit = new FeedAudit();
  for (const event of events) audit.add(event);
}

function broken(why: string, event: LeaseEvent): CheckFailed {
  const { lease, type } = event;
  const claims = lease.claims.map((claim) => `${claim.mode} ${claim.resource}`).join(", ");
  return new CheckFailed(
    `The feed shows "${type}" of ${lease.id} (${lease.agentId}, token ${lease.token}, ${claims}), but ${why}`,
    undefined,
    event,
  );
}
