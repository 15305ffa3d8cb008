/** What is put into etcd for a lease. */
import type { AcquireRequest } from "@lease/core/backend";
import type { IRequestOp } from "etcd3";
import type { Carriers } from "./carriers.js";
import type { EtcdLease, MemoryLease } from "./etcd-leases.js";
import type { Keys } from "./keys.js";
import { move, put } from "./ops.js";
import { encodeLease, encodeMemory, type FoundLease, type StoredLease } from "./record.js";

export function newLease(request: AcquireRequest, state: "pending" | "active", on: Carriers): StoredLease {
  const wall = Date.now();
  const active = state === "active";
  const termS = (active ? on.active : (on.waiting as EtcdLease)).termS;
  return {
    id: request.id,
    agentId: request.agentId,
    claims: request.claims,
    state,
    ttlMs: on.active.termS * 1000,
    requestedWall: wall,
    acquiredWall: active ? wall : null,
    renewals: 0,
    maxRenewals: request.maxRenewals,
    holding: request.holding,
    reason: request.reason,
    metadata: request.metadata,
    revoking: null,
    termS,
    memoryS: on.memory.termS,
    wall,
    leftMs: termS * 1000,
    event: active ? "acquired" : "queued",
    isBeside: !active,
  };
}

export function grantOf(lease: FoundLease, active: EtcdLease): StoredLease {
  const wall = Date.now();
  const ttlMs = active.termS * 1000;
  return {
    ...lease,
    state: "active",
    ttlMs,
    acquiredWall: wall,
    termS: active.termS,
    wall,
    leftMs: ttlMs,
    event: "acquired",
  };
}

export function puts(keys: Keys, lease: StoredLease, on: EtcdLease, memory: MemoryLease): IRequestOp[] {
  return [
    put(keys.record(lease.id), encodeLease(lease), on.id),
    put(keys.memory(lease.id), encodeMemory({ agentId: lease.agentId }), memory.id),
    ...keys.claims(lease).map((key) => put(key, Buffer.from(lease.id), on.id)),
  ];
}

/** Record and claims on another etcd lease; the create revision, which is the token, stays. */
export function movedTo(keys: Keys, lease: StoredLease, on: EtcdLease): IRequestOp[] {
  return [
    put(keys.record(lease.id), encodeLease(lease), on.id),
    ...keys.claims(lease).map((key) => move(key, on.id)),
  ];
}
