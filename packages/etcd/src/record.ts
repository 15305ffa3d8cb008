/** How leases, and what is remembered of ids, are written in etcd. */
import { type Lease, LeaseError } from "@lease/core";
import { type LeaseRecord, leaseOf } from "@lease/core/backend";
import type { IKeyValue } from "etcd3";
import type { FoundLease, FoundMemory, Memory, StoredLease } from "./model.js";

/** In the order in which they are written, without their names. The id is in the key. */
const FIELDS = [
  "state",
  "agentId",
  "claims",
  "ttlMs",
  "requestedWall",
  "acquiredWall",
  "renewals",
  "maxRenewals",
  "holding",
  "reason",
  "metadata",
  "revoking",
  "isBeside",
  "termS",
  "memoryS",
  "wall",
  "leftMs",
  "event",
] as const satisfies readonly (keyof StoredLease)[];

export function encodeLease(lease: StoredLease): Buffer {
  return Buffer.from(JSON.stringify(FIELDS.map((field) => lease[field])));
}

/** @throws `BACKEND_CORRUPT` when it is not what `encodeLease` wrote */
export function decodeLease(kv: IKeyValue, id: string): FoundLease {
  const values = parse(kv, FIELDS.length);
  const stored = Object.fromEntries(FIELDS.map((field, index) => [field, values[index]]));
  return {
    ...(stored as unknown as Omit<StoredLease, "id">),
    id,
    token: Number(kv.create_revision),
    revision: Number(kv.mod_revision),
    etcdLease: String(kv.lease),
  };
}

export function encodeMemory({ agentId, end, by, reason }: Memory): Buffer {
  return Buffer.from(JSON.stringify(by === undefined ? [agentId, end] : [agentId, end, by, reason]));
}

/** @throws `BACKEND_CORRUPT` when it is not what `encodeMemory` wrote */
export function decodeMemory(kv: IKeyValue): FoundMemory {
  const [agentId, end, by, reason] = parse(kv, 2) as [string, Memory["end"] | null, string?, string?];
  return { agentId, end: end ?? undefined, by, reason, etcdLease: String(kv.lease) };
}

/** @param least - how many values there must be */
function parse(kv: IKeyValue, least: number): readonly unknown[] {
  let cause: unknown;
  try {
    const values: unknown = JSON.parse(kv.value.toString("utf8"));
    if (Array.isArray(values) && values.length >= least) return values;
  } catch (error) {
    cause = error;
  }
  throw new LeaseError(
    "BACKEND_CORRUPT",
    `The value of the etcd key ${JSON.stringify(kv.key.toString("utf8"))} cannot be read: remove it, or use another namespace.`,
    undefined,
    { cause },
  );
}

/**
 * What core shows callers of a lease, as of a moment that is 0 on the clock of its durations.
 *
 * @param graceInMs - what is left of a soft revoke's grace
 */
export function recordOf(lease: StoredLease & { readonly token: number }, graceInMs = 0): LeaseRecord {
  const { revoking } = lease;
  return {
    ...lease,
    revoking: revoking && { by: revoking.by, reason: revoking.reason, refusedFrom: graceInMs },
  };
}

/** What callers are shown now of a lease that has this much time left. */
export function shown(lease: StoredLease & { readonly token: number }, leftMs: number, graceInMs = 0): Lease {
  return leaseOf(recordOf(lease, graceInMs), leftMs, { now: 0, wallNow: Date.now() });
}
