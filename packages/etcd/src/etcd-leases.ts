/**
 * The etcd leases that this client made: reused from one lease to the next, because granting one costs a consensus
 * write. Each carries one lease at a time, so that it can end on its own.
 *
 * An etcd lease is asked for one second more than its term. So one that was kept alive within that second gives its
 * next user a whole term, without another call.
 */
import { systemClock } from "@lease/core";
import type { Connection } from "./connection.js";
import { isLeaseGone } from "./errors.js";
import { KeepAlives } from "./keep-alive.js";

export interface EtcdLease {
  readonly id: string;
  /** Seconds that it gives its user: one less than etcd granted. */
  readonly termS: number;
  /** The term that was asked for; etcd grants more where its elections take longer than that. */
  readonly askedS: number;
  /** When its last confirmed grant or keep-alive was sent. */
  sentAt: Instant;
}

/** An etcd lease that carries the memories of ids, long enough to outlive what they remember. */
export interface MemoryLease {
  readonly id: string;
  /** The longest term of a lease whose id it may remember. */
  readonly termS: number;
  sentAt: Instant;
  keys: number;
}

/** A moment on every clock of this machine: the monotonic one stands still while the machine sleeps. */
type Instant = readonly [monotonicMs: number, wallMs: number, bootMs: number];

/** What etcd is asked for beyond the term. */
const SPARE_MS = 1000;
/** A user gets a whole term if the last keep-alive is not older than the spare second, less a margin for clocks. */
const FRESH_MS = 950;
/** Too close to its end to be worth a keep-alive. */
const DYING_MS = 500;
/** etcd deletes the keys of an ended etcd lease in one step, which other writes wait for (docs/measured.md). */
const MAX_KEYS = 500;
/** With so many etcd leases made, those that are dead are forgotten; later again at twice what then was left. */
const TIDY_AT = 2048;

export class EtcdLeases {
  readonly #connection: Connection;
  readonly #keepAlives = new KeepAlives();
  readonly #endMemoryS: number;
  readonly #idle = new Map<number, EtcdLease[]>();
  /** All that this client made and that may still live. */
  readonly #made = new Map<string, { readonly sentAt: Instant; readonly grantedS: number }>();
  readonly #memories = new Map<number, MemoryLease>();
  readonly #nextMemories = new Map<number, Promise<MemoryLease>>();
  #tidyAt = TIDY_AT;
  readonly #keptAlive = new Map<string, Instant>();
  readonly #lookedUp = new Map<string, { readonly at: number; readonly remaining: Promise<number> }>();

  constructor(connection: Connection, endMemoryMs: number) {
    this.#connection = connection;
    this.#endMemoryS = Math.ceil(endMemoryMs / 1000);
  }

  /** An etcd lease that is not in use: an idle one, or a new one. */
  take(termS: number): EtcdLease | Promise<EtcdLease> {
    const idle = this.#idle.get(termS);
    for (let lease = idle?.pop(); lease !== undefined; lease = idle?.pop()) {
      if (termLeftMs(lease) + SPARE_MS > DYING_MS) return lease;
    }
    return this.#grant(termS + 1);
  }

  /** Takes back an etcd lease that surely carries nothing any more. */
  give(lease: EtcdLease): void {
    const idle = this.#idle.get(lease.askedS);
    if (idle === undefined) this.#idle.set(lease.askedS, [lease]);
    else idle.push(lease);
  }

  /** Makes sure that the lease has its whole term from now on; `false` when it is gone. */
  async freshen(lease: EtcdLease): Promise<boolean> {
    if (isFresh(lease) || (await this.keepAlive(lease)) > 0) return true;
    this.distrust();
    return false;
  }

  /** Keeps an etcd lease alive, also one of another client. Gives the term from now on in seconds, 0 when it is gone. */
  async keepAlive(lease: { readonly id: string; sentAt?: Instant }): Promise<number> {
    const sentAt = instant();
    const grantedS = await this.#send(lease.id);
    this.#lookedUp.delete(lease.id);
    if (grantedS <= 0) return 0;
    lease.sentAt = sentAt;
    if (this.#made.has(lease.id)) this.#made.set(lease.id, { sentAt, grantedS });
    return grantedS - 1;
  }

  /**
   * Whole seconds that are left of an etcd lease, rounded down; -1 when it is gone.
   *
   * @param since - a moment of `performance.now()`: what another call asked for later than this will do. A burst of
   * refusals so asks few times, and none reports what was left before a renewal that it comes after.
   */
  remaining(leaseId: string, since = performance.now()): Promise<number> {
    const now = performance.now();
    const known = this.#lookedUp.get(leaseId);
    if (known !== undefined && known.at >= since) return known.remaining;
    const remaining = this.#connection
      .repeatable(({ client }, options) => client.leaseClient.leaseTimeToLive({ ID: leaseId }, options))
      .then(({ TTL }) => Number(TTL));
    if (this.#lookedUp.size > 1000) this.#lookedUp.clear();
    this.#lookedUp.set(leaseId, { at: now, remaining });
    remaining.catch(() => this.#lookedUp.delete(leaseId));
    return remaining;
  }

  /**
   * An etcd lease for the memory of an id whose lease has at most this term. It counts as one key on it, until
   * {@link forget} says that it is not.
   */
  memory(termS: number): MemoryLease | Promise<MemoryLease> {
    const classS = termS === 0 ? 0 : 2 ** Math.ceil(Math.log2(termS));
    const known = this.#memories.get(classS);
    if (known !== undefined && known.keys < MAX_KEYS && this.#remembers(known)) return withKey(known);
    // Many may ask at once: one of them gets it for all, and those for whom it has no room get the next one.
    let next = this.#nextMemories.get(classS);
    if (next === undefined) {
      next = this.#nextMemory(classS, known).finally(() => this.#nextMemories.delete(classS));
      this.#nextMemories.set(classS, next);
    }
    return next.then((memory) => (memory.keys < MAX_KEYS ? withKey(memory) : this.memory(termS)));
  }

  /** The memory of an id is not on it, or not any more. */
  forget(memory: MemoryLease): void {
    memory.keys -= 1;
  }

  /**
   * An etcd lease that should live is gone: revoked by hand, or ended by a server's fault. Others may have gone with it,
   * so none that is kept for later is used again.
   */
  distrust(): void {
    this.#idle.clear();
    this.#memories.clear();
    this.#keptAlive.clear();
  }

  /** Keeps alive what remembers an id for as long as its lease is renewed; `false` when it is gone. */
  async keepMemory(leaseId: string): Promise<boolean> {
    const keptAt = this.#keptAlive.get(leaseId);
    const now = instant();
    // Any class outlives a keep-alive by more than this beyond the term of its leases.
    if (keptAt !== undefined && ageMs(keptAt) < this.#endMemoryS * 1000 * 0.8) return true;
    if ((await this.#send(leaseId)) <= 0) return false;
    if (this.#keptAlive.size > 10_000) this.#keptAlive.clear();
    this.#keptAlive.set(leaseId, now);
    return true;
  }

  /** An etcd lease that ends by itself after a grace; nothing keeps it alive, and no key is on it. */
  async grace(graceMs: number): Promise<string> {
    const TTL = Math.max(1, Math.ceil(graceMs / 1000));
    const { ID } = await this.#connection.repeatable(({ client }, options) =>
      client.leaseClient.leaseGrant({ TTL }, options),
    );
    return ID;
  }

  /** Revokes the etcd leases that this client made and that carry no keys; what cannot be revoked now ends by itself. */
  async close(): Promise<void> {
    await this.#revokeUnused().catch(() => {});
    this.#keepAlives.close();
  }

  async #revokeUnused(): Promise<void> {
    this.#forgetDead();
    const alive = [...this.#made.keys()];
    for (let start = 0; start < alive.length; start += 64) {
      await Promise.all(alive.slice(start, start + 64).map((id) => this.#revokeIfEmpty(id)));
    }
  }

  /** A keep-alive. Gives what etcd granted, 0 when the etcd lease is gone. */
  #send(leaseId: string): Promise<number> {
    return this.#connection.repeatable((endpoint, { deadline }) =>
      this.#keepAlives.send(endpoint, leaseId, Number(deadline) - Date.now()),
    );
  }

  async #revokeIfEmpty(ID: string): Promise<void> {
    await this.#connection.repeatable(async ({ client }, options) => {
      const { TTL, keys } = await client.leaseClient.leaseTimeToLive({ ID, keys: true }, options);
      if (Number(TTL) < 0 || keys.length > 0) return;
      await client.leaseClient.leaseRevoke({ ID }, options).catch((error: unknown) => {
        if (!isLeaseGone(error)) throw error;
      });
    });
  }

  async #grant(seconds: number): Promise<EtcdLease> {
    const sentAt = instant();
    const { ID, TTL } = await this.#connection.repeatable(({ client }, options) =>
      client.leaseClient.leaseGrant({ TTL: seconds }, options),
    );
    if (this.#made.size >= this.#tidyAt) this.#forgetDead();
    const grantedS = Number(TTL);
    this.#made.set(ID, { sentAt, grantedS });
    return { id: ID, termS: grantedS - 1, askedS: seconds - 1, sentAt };
  }

  #forgetDead(): void {
    for (const [id, { sentAt, grantedS }] of this.#made) {
      if (ageMs(sentAt) >= grantedS * 1000) this.#made.delete(id);
    }
    for (const [termS, idle] of this.#idle) {
      const alive = idle.filter(({ id }) => this.#made.has(id));
      if (alive.length > 0) this.#idle.set(termS, alive);
      else this.#idle.delete(termS);
    }
    this.#tidyAt = Math.max(TIDY_AT, this.#made.size * 2);
  }

  async #nextMemory(classS: number, known: MemoryLease | undefined): Promise<MemoryLease> {
    if (known !== undefined && known.keys < MAX_KEYS && (await this.keepAlive(known)) > 0) return known;
    const { id, sentAt } = await this.#grant(2 * (classS + this.#endMemoryS));
    const memory: MemoryLease = { id, termS: classS, sentAt, keys: 0 };
    this.#memories.set(classS, memory);
    return memory;
  }

  #remembers(memory: MemoryLease): boolean {
    return ageMs(memory.sentAt) < (memory.termS + this.#endMemoryS * 0.8) * 1000;
  }
}

function withKey(memory: MemoryLease): MemoryLease {
  memory.keys += 1;
  return memory;
}

/** Whether its next user has a whole term. */
export function isFresh(lease: EtcdLease): boolean {
  return ageMs(lease.sentAt) < FRESH_MS;
}

/** What is left of the term of an etcd lease of this client, at least. */
export function termLeftMs({ sentAt, termS }: EtcdLease): number {
  return termS * 1000 - ageMs(sentAt);
}

function instant(): Instant {
  return [systemClock.now(), systemClock.wallNow(), systemClock.bootNow?.() ?? 0];
}

/** At least how long ago that was, also if the machine slept since or a clock was set. */
function ageMs(then: Instant): number {
  const now = instant();
  return Math.max(now[0] - then[0], now[1] - then[1], now[2] - then[2]);
}
