/** What etcd holds of leases, as data. */
import type { Claim, Metadata } from "@lease/core";

/** What the value of `i/<id>` says. */
export interface StoredLease {
  readonly id: string;
  readonly agentId: string;
  readonly claims: readonly Claim[];
  readonly state: "pending" | "active";
  readonly ttlMs: number;
  readonly requestedWall: number;
  readonly acquiredWall: number | null;
  readonly renewals: number;
  readonly maxRenewals: number | null;
  readonly holding: readonly string[];
  readonly reason: string | null;
  readonly metadata: Metadata | null;
  readonly revoking: StoredRevoking | null;
  /** Its claims may have others beside them: each key then carries the id as well. */
  readonly isBeside: boolean;
  /** Seconds for which its etcd lease keeps it, one less than etcd was asked for. */
  readonly termS: number;
  /** The longest term that the memory of its id outlives. */
  readonly memoryS: number;
  /** When this record was written, and how much time was left then; `event`: which event wrote it, if one did. */
  readonly wall: number;
  readonly leftMs: number;
  readonly event: "queued" | "acquired" | "revoking" | null;
}

/** A soft revoke: the grace is an etcd lease of its own, so that etcd's clock ends it. */
interface StoredRevoking {
  readonly by: string;
  readonly reason: string | null;
  readonly graceMs: number;
  readonly graceLease: string;
}

/** A record with what etcd says of its key. */
export interface FoundLease extends StoredLease {
  /** The key's create revision. */
  readonly token: number;
  /** The revision that wrote it last: every change compares it. */
  readonly revision: number;
  readonly etcdLease: string;
}

/** What `h/<id>` says. Without an `end` the id lives, or ran out; with `by`, it ran out as revoked. */
export interface Memory {
  readonly agentId: string;
  readonly end?: "released" | "cancelled" | "revoked" | undefined;
  readonly by?: string | null | undefined;
  readonly reason?: string | null | undefined;
}

export interface FoundMemory extends Memory {
  readonly etcdLease: string;
}

/** A lease in the way of another, by the keys of its claims. */
export interface BlockerKey {
  readonly id: string;
  readonly token: number;
  readonly etcdLease: string;
  /** Those of its claims that are in the way. */
  readonly claims: Claim[];
  /** The key of one of them: while it is there, the lease is in the way. */
  readonly key: Buffer;
}

export interface KeyRange {
  readonly key: Buffer;
  readonly range_end: Buffer;
}
