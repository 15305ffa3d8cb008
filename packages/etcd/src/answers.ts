/** What an acquire answers. */
import type { Lease } from "@lease/core";
import {
  type AcquireRequest,
  type AcquireResult,
  differentClaims,
  leaseOf,
  notOwner,
  sameClaims,
} from "@lease/core/backend";
import { describe } from "./blockers.js";
import { AGAIN, giveUp } from "./carriers.js";
import type { Context } from "./context.js";
import type { EtcdLease } from "./etcd-leases.js";
import type { BlockerKey } from "./keys.js";
import { type FoundLease, type FoundMemory, recordOf, type StoredLease } from "./record.js";
import { queuedOf, type Snapshot } from "./snapshot.js";
import { graceLeftMs, holderLeftMs } from "./time.js";

export type Tried = AcquireResult | typeof AGAIN;

export async function refuse(
  context: Context,
  request: AcquireRequest,
  blockers: readonly BlockerKey[],
  revision: number | null,
  pending: FoundLease | null,
): Promise<AcquireResult> {
  const at = revision ?? context.cache.queued(request.id)?.revision ?? 0;
  const refusal = await describe(context, request.claims, blockers, at);
  const lease = pending && shown(pending, pending.leftMs);
  return { status: "refused", lease, ...refusal };
}

/** A queued request was granted and moved to this etcd lease. */
export function onPromoted(
  context: Context,
  lease: FoundLease,
  granted: StoredLease,
  active: EtcdLease,
): AcquireResult {
  giveUp(context, lease.etcdLease);
  context.cache.onGranted({ ...granted, token: lease.token, etcdLease: active });
  return {
    status: "granted",
    lease: shown({ ...granted, token: lease.token }, granted.ttlMs),
    repeated: false,
  };
}

/** The id is known already: as a lease, or by how it ended. */
export async function onExisting(context: Context, request: AcquireRequest, found: Snapshot): Promise<Tried> {
  const { lease, memory } = found;
  const { cache } = context;
  const owner = lease?.agentId ?? memory?.agentId;
  if (owner !== request.agentId) throw notOwner(request.id);
  if (lease === null) {
    cache.forget(request.id);
    const { end, by = null, reason = null } = memory as FoundMemory;
    return { status: "ended", end: end ?? (by === null ? "expired" : "revoked"), by, reason };
  }
  checkSame(request, lease);
  if (lease.state === "pending") {
    cache.onQueued(queuedOf(lease, found));
    return AGAIN;
  }
  const [leftMs, graceInMs] = await Promise.all([holderLeftMs(context, lease), graceLeftMs(context, lease)]);
  if (leftMs === null) return AGAIN;
  return { status: "granted", lease: shown(lease, leftMs, graceInMs), repeated: true };
}

export function checkSame(request: AcquireRequest, lease: FoundLease): void {
  if (lease.agentId !== request.agentId) throw notOwner(request.id);
  if (!sameClaims(lease.claims, request.claims)) throw differentClaims(request.id);
}

export function isSame(request: AcquireRequest, lease: FoundLease): boolean {
  return lease.agentId === request.agentId && sameClaims(lease.claims, request.claims);
}

/** What callers are shown of a lease that has this much time left. */
export function shown(lease: StoredLease & { readonly token: number }, leftMs: number, graceInMs = 0): Lease {
  return leaseOf(recordOf(lease, graceInMs), leftMs, { now: 0, wallNow: Date.now() });
}
