/** What every operation works with, and what this client knows without asking. */
import type { Claim } from "@lease/core";
import type { Connection } from "./connection.js";
import type { Entrance } from "./entrance.js";
import { type EtcdLease, type EtcdLeases, type MemoryLease, termLeftMs } from "./etcd-leases.js";
import type { Keys } from "./keys.js";
import type { BlockerKey, FoundLease } from "./model.js";
import type { Watches } from "./watches.js";

export interface Context {
  readonly connection: Connection;
  readonly keys: Keys;
  readonly leases: EtcdLeases;
  readonly watches: Watches;
  readonly entrance: Entrance;
  readonly cache: LeaseCache;
}

/** What cannot change while a lease of this token lives. */
export interface Held {
  readonly id: string;
  readonly agentId: string;
  readonly token: number;
  readonly claims: readonly Claim[];
  readonly isBeside: boolean;
  /** The etcd lease that this client put it on. It goes back to the pool once nothing is on it. */
  readonly etcdLease: EtcdLease;
  /** What remembers its id, if this client put it there. */
  readonly memory?: MemoryLease | undefined;
}

/** A queued request, as this client last saw it. */
export interface QueuedRequest {
  readonly lease: FoundLease;
  /** What was in its way at `revision`. No later request can come before it, so the list only gets shorter. */
  readonly blockers: Map<string, BlockerKey>;
  readonly revision: number;
  readonly memory?: MemoryLease | undefined;
}

const TIDY_AT = 4096;

/** What this client knows of its own leases. What is missing here is read from etcd. */
export class LeaseCache {
  readonly #held = new Map<string, Held>();
  readonly #queued = new Map<string, QueuedRequest>();
  readonly #etcdLeases = new Map<string, EtcdLease>();
  #tidyAt = TIDY_AT;

  held(id: string): Held | undefined {
    return this.#held.get(id);
  }

  queued(id: string): QueuedRequest | undefined {
    return this.#queued.get(id);
  }

  /** The etcd lease of this id, if this client made it. */
  etcdLease(leaseId: string): EtcdLease | undefined {
    return this.#etcdLeases.get(leaseId);
  }

  onGranted({ id, agentId, token, claims, isBeside, etcdLease, memory = this.memory(id) }: Held): void {
    this.#queued.delete(id);
    this.#held.set(id, { id, agentId, token, claims, isBeside, etcdLease, memory });
    this.use(etcdLease);
  }

  onQueued(queued: QueuedRequest): void {
    const { id } = queued.lease;
    this.#queued.set(id, { ...queued, memory: queued.memory ?? this.memory(id) });
  }

  /** What remembers this id, if this client put it there. */
  memory(id: string): MemoryLease | undefined {
    return this.#held.get(id)?.memory ?? this.#queued.get(id)?.memory;
  }

  /** The id is over, or not what this client thought. */
  forget(id: string): void {
    this.#held.delete(id);
    this.#queued.delete(id);
  }

  /** The etcd lease carries nothing any more. Gives it, if this client made it. */
  unused(leaseId: string): EtcdLease | undefined {
    const lease = this.#etcdLeases.get(leaseId);
    this.#etcdLeases.delete(leaseId);
    return lease;
  }

  /** The etcd lease carries a lease or a queued request from now on. */
  use(lease: EtcdLease): void {
    this.#etcdLeases.set(lease.id, lease);
    if (this.#etcdLeases.size > this.#tidyAt) this.#forgetDead();
  }

  /** Leases that other clients ended are not noticed here: what etcd has surely ended is forgotten now and then. */
  #forgetDead(): void {
    for (const [id, lease] of this.#etcdLeases) {
      if (termLeftMs(lease) < -60_000) this.#etcdLeases.delete(id);
    }
    for (const [id, held] of this.#held) if (!this.#etcdLeases.has(held.etcdLease.id)) this.forget(id);
    for (const [id, queued] of this.#queued)
      if (!this.#etcdLeases.has(queued.lease.etcdLease)) this.forget(id);
    this.#tidyAt = Math.max(TIDY_AT, this.#etcdLeases.size * 2);
  }
}

/** Whole seconds of a duration, rounded up. */
export function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}
