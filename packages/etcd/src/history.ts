/**
 * Events out of etcd's own revisions. Each revision that touches a record is one transition: nothing else is written
 * for the history (docs/decisions: etcd's revisions are the history).
 */
import type { LeaseEvent, LeaseEventType } from "@lease/core";
import { type ChangesOptions, formatCursor, leaseOf, matchesFilters, stateAfter } from "@lease/core/backend";
import type { IEvent, IKeyValue } from "etcd3";
import type { Keys } from "./keys.js";
import type { FoundLease } from "./model.js";
import { decodeLease, decodeMemory, recordOf } from "./record.js";

/** An event in the making, with the wall time that its writer noted; `null` where etcd itself ended the lease. */
export interface Transition {
  readonly revision: number;
  readonly type: LeaseEventType;
  readonly wall: number | null;
  readonly lease: FoundLease;
  readonly by: string | null;
  readonly reason: string | null;
}

/** A record was deleted, but what it said is compacted away. */
export const LOST = Symbol("lost");

/** The transitions in a stretch of revisions, oldest first. Events of one revision come together. */
export function transitionsIn(keys: Keys, events: readonly IEvent[]): (Transition | typeof LOST)[] {
  const revisions = new Map<number, IEvent[]>();
  for (const event of events) {
    const revision = Number(event.kv.mod_revision);
    const same = revisions.get(revision);
    if (same === undefined) revisions.set(revision, [event]);
    else same.push(event);
  }
  return [...revisions].flatMap(([revision, same]) => transitionOf(keys, revision, same) ?? []);
}

function transitionOf(
  keys: Keys,
  revision: number,
  events: readonly IEvent[],
): Transition | typeof LOST | null {
  let record: { readonly id: string; readonly event: IEvent } | undefined;
  let memory: IEvent | undefined;
  let endWall: number | null = null;
  for (const event of events) {
    const { kind, id } = keys.parseFeedKey(event.kv.key);
    if (kind === "record") record = { id, event };
    else if (kind === "memory") memory = event;
    else if (isPut(event)) endWall = wallOf(event.kv);
  }
  if (record === undefined) return null;
  const { id, event } = record;
  if (isPut(event)) {
    const lease = decodeLease(event.kv, id);
    const { event: type, wall, revoking } = lease;
    if (type === null) return null;
    const act = type === "revoking" && revoking !== null ? revoking : OWN_ACT;
    return { revision, type, wall, lease, by: act.by, reason: act.reason };
  }
  if (event.prev_kv === null || event.prev_kv.value.length === 0) return LOST;
  const lease = decodeLease(event.prev_kv, id);
  // Nobody wrote beside the delete: etcd ended it.
  if (memory === undefined && endWall === null) {
    const { revoking } = lease;
    return {
      revision,
      type: revoking === null ? "expired" : "revoked",
      wall: null,
      lease,
      by: revoking?.by ?? null,
      reason: revoking?.reason ?? null,
    };
  }
  const {
    end,
    by = null,
    reason = null,
  } = memory !== undefined && isPut(memory) ? decodeMemory(memory.kv) : {};
  if (end === "revoked") return { revision, type: "revoked", wall: endWall, lease, by, reason };
  const type = lease.state === "pending" ? "cancelled" : "released";
  return { revision, type, wall: endWall, lease, ...OWN_ACT };
}

/**
 * @param earliestWall - for an end whose time was not written down: it was not before this
 */
export function eventOf(epoch: string, transition: Transition, earliestWall: number): LeaseEvent {
  const { revision, type, lease, by, reason } = transition;
  const endsWall = lease.wall + lease.leftMs;
  const wall = transition.wall ?? Math.max(earliestWall, lease.leftMs > 0 ? endsWall : lease.wall);
  const graceInMs = lease.revoking === null ? 0 : Math.max(0, lease.revoking.graceMs - (wall - lease.wall));
  const record = recordOf(lease, graceInMs);
  record.state = stateAfter(type);
  return {
    cursor: formatCursor(epoch, revision),
    type,
    at: new Date(wall).toISOString(),
    lease: leaseOf(record, endsWall - wall, { now: 0, wallNow: wall }),
    by,
    reason,
  };
}

export function passes({ type, lease }: LeaseEvent, options: ChangesOptions): boolean {
  return (options.types?.includes(type) ?? true) && matchesFilters(lease, options);
}

/** The library gives the name of the enum's member, whatever its types say. */
function isPut({ type }: IEvent): boolean {
  return String(type) === "PUT" || String(type) === "Put" || String(type) === "0";
}

function wallOf(kv: IKeyValue): number | null {
  if (kv.value.length === 0) return null;
  return (JSON.parse(kv.value.toString("utf8")) as { at?: number }).at ?? null;
}

const OWN_ACT = Object.freeze({ by: null, reason: null });
