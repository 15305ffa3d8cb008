/** What every operation works with, and what this client knows without asking. */
import type { Claim } from "@lease/core";
import type { Connection } from "./connection.js";
import type { EtcdLease, EtcdLeases, MemoryLease } from "./etcd-leases.js";
import type { BlockerKey, Keys } from "./keys.js";
import type { FoundLease } from "./record.js";
import type { Watches } from "./watches.js";

export interface Context {
  readonly connection: Connection;
  readonly keys: Keys;
  readonly leases: EtcdLeases;
  readonly watches: Watches;
  readonly known: Known;
}

/** What cannot change while a lease of this token lives. */
export interface Held {
  readonly id: string;
  readonly agentId: string;
  readonly token: number;
  readonly claims: readonly Claim[];
  readonly isBeside: boolean;
  /** The etcd lease that this client put it on, back in the pool once nothing is on it. */
  readonly etcdLease: EtcdLease;
  /** What remembers its id, if this client put it there. */
  readonly memory?: MemoryLease | undefined;
}

/** A request in line, as this client last saw it. */
export interface Place {
  readonly lease: FoundLease;
  /** What stood in its way at `revision`. Nobody can come before it any more, so the list only gets shorter. */
  readonly blockers: Map<string, BlockerKey>;
  readonly revision: number;
  readonly memory?: MemoryLease | undefined;
}

const LOOK_THROUGH_AT = 4096;

/** Leases of this client. Only a short cut: whatever is missing here is read from etcd. */
export class Known {
  readonly #held = new Map<string, Held>();
  readonly #places = new Map<string, Place>();
  readonly #etcdLeases = new Map<string, EtcdLease>();
  #lookThroughAt = LOOK_THROUGH_AT;

  held(id: string): Held | undefined {
    return this.#held.get(id);
  }

  place(id: string): Place | undefined {
    return this.#places.get(id);
  }

  /** The etcd lease of this id, if this client made it. */
  etcdLease(leaseId: string): EtcdLease | undefined {
    return this.#etcdLeases.get(leaseId);
  }

  onGranted({ id, agentId, token, claims, isBeside, etcdLease, memory = this.memory(id) }: Held): void {
    this.#places.delete(id);
    this.#held.set(id, { id, agentId, token, claims, isBeside, etcdLease, memory });
    this.use(etcdLease);
  }

  onPlaced(place: Place): void {
    const { id } = place.lease;
    this.#places.set(id, { ...place, memory: place.memory ?? this.memory(id) });
  }

  /** What remembers this id, if this client put it there. */
  memory(id: string): MemoryLease | undefined {
    return this.#held.get(id)?.memory ?? this.#places.get(id)?.memory;
  }

  /** The id is over, or not what this client thought. */
  forget(id: string): void {
    this.#held.delete(id);
    this.#places.delete(id);
  }

  /** The etcd lease carries nothing any more. Gives it, if this client made it. */
  unused(leaseId: string): EtcdLease | undefined {
    const lease = this.#etcdLeases.get(leaseId);
    this.#etcdLeases.delete(leaseId);
    return lease;
  }

  /** The etcd lease carries a lease or a place in line from now on. */
  use(lease: EtcdLease): void {
    this.#etcdLeases.set(lease.id, lease);
    if (this.#etcdLeases.size > this.#lookThroughAt) this.#forgetDead();
  }

  /** Leases that others ended are never heard of here: what etcd has surely ended is forgotten now and then. */
  #forgetDead(): void {
    const now = performance.now();
    for (const [id, lease] of this.#etcdLeases) {
      if (now - lease.sentAt > (lease.termS + 60) * 1000) this.#etcdLeases.delete(id);
    }
    for (const [id, held] of this.#held) if (!this.#etcdLeases.has(held.etcdLease.id)) this.forget(id);
    for (const [id, place] of this.#places) if (!this.#etcdLeases.has(place.lease.etcdLease)) this.forget(id);
    this.#lookThroughAt = Math.max(LOOK_THROUGH_AT, this.#etcdLeases.size * 2);
  }
}

/** Whole seconds of a duration, rounded up. */
export function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}
