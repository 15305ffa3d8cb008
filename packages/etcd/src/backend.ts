/**
 * `etcdBackend()`: leases in an etcd cluster, for any number of machines.
 *
 * Guarantees: everything that the contract says, for as long as most members of the cluster live and keep their data;
 * the loss of any minority, leader included, loses no lease and gives none twice. Claims end by etcd's own clock, without
 * a sweep. Tokens are revisions of the whole cluster: they only grow.
 *
 * Does not guarantee: anything across a restored snapshot (revisions go back, so tokens do). Leases last longer than
 * promised, never shorter, after an election: each then has its whole TTL again. An etcd before 3.4.31 or 3.5.13 can end
 * leases that were just renewed when a leader was paused for longer than their TTL: their holders hear of it at once,
 * and only fencing protects until then.
 */
import type { LeaseBackend } from "@lease/core";
import { type BackendLimits, closed, defineBackend } from "@lease/core/backend";
import { acquire } from "./acquire.js";
import { changes } from "./changes.js";
import { Connection } from "./connection.js";
import { type Context, LeaseCache } from "./context.js";
import { Entrance } from "./entrance.js";
import { tooSlow, tooSlowToRead } from "./errors.js";
import { EtcdLeases } from "./etcd-leases.js";
import { Keys } from "./keys.js";
import { list } from "./list.js";
import { DEFAULTS, type EtcdBackendOptions, makeClients, settledOptions } from "./options.js";
import { release } from "./release.js";
import { renew } from "./renew.js";
import { sweep } from "./sweep.js";
import { turn } from "./turn.js";
import { Watches } from "./watches.js";

const LIMITS = Object.freeze({
  minTtlMs: 1000,
  ttlStepMs: 1000,
  // A put each, and etcd takes 128 operations a transaction.
  maxClaims: 100,
  // etcd looks for expired leases twice a second, and each is asked for a second more than it is worth.
  expirySlackMs: 2500,
  orphanSlackTtls: 0,
  renewals: "uncounted" as const,
  history: "compacted" as const,
  mayEndEarly: true,
});

/**
 * Keeps leases in etcd 3.4 or newer. It does no I/O itself: the first call connects.
 *
 * @throws `INVALID_ARGUMENT` for a bad option
 */
export function etcdBackend(given: EtcdBackendOptions): LeaseBackend {
  const options = settledOptions(given);
  const timeoutMs = options.timeoutMs ?? DEFAULTS.timeoutMs;
  const limits: BackendLimits = Object.freeze({
    ...LIMITS,
    endMemoryMs: options.endMemoryMs ?? DEFAULTS.endMemoryMs,
  });
  const connection = new Connection(makeClients(options), {
    timeoutMs,
    ownsClients: options.client === undefined,
  });
  const watches = new Watches(connection);
  const leases = new EtcdLeases(connection, limits.endMemoryMs);
  const keys = new Keys(options.namespace ?? DEFAULTS.namespace);
  const context: Context = {
    connection,
    keys,
    leases,
    watches,
    entrance: new Entrance(),
    cache: new LeaseCache(),
  };

  const calls = new Calls();
  const boundMs = 2 * timeoutMs;

  return defineBackend({
    kind: "etcd",
    limits,
    acquire: (request) => calls.run(() => acquire(context, request), boundMs),
    turn: (wait) => calls.run(() => turn(context, wait), Number.POSITIVE_INFINITY),
    renew: (requests) => calls.run(() => renew(context, requests), boundMs),
    release: (requests) => calls.run(() => release(context, requests), boundMs),
    list: (query) => calls.run(() => list(context, query), boundMs, tooSlowToRead),
    sweep: (options) => calls.run(() => sweep(context, options), boundMs),
    changes: (options) => changes(context, options),
    async close() {
      watches.close();
      await calls.close();
      await leases.close();
      connection.close();
    },
  });
}

const MAX_TIMER_MS = 2 ** 31 - 1;

/** Calls under way. Each ends within one bound for all of its steps, or with `CLOSED` when the backend is closed. */
class Calls {
  /** Each with what ends it for its caller; its steps go on. */
  readonly #underWay = new Map<Promise<unknown>, (error: Error) => void>();

  /** @param late - what the call ends with when the bound is reached */
  run<T>(call: () => Promise<T>, boundMs: number, late = tooSlow): Promise<T> {
    return new Promise((resolve, reject) => {
      const running = call();
      this.#underWay.set(running, reject);
      const isBound = Number.isFinite(boundMs);
      const timer = isBound ? setTimeout(() => reject(late()), Math.min(boundMs, MAX_TIMER_MS)) : undefined;
      void running.then(resolve, reject).finally(() => {
        clearTimeout(timer);
        this.#underWay.delete(running);
      });
    });
  }

  /** @returns when no step is under way any more: from then on nothing puts keys on etcd leases */
  async close(): Promise<void> {
    for (const reject of this.#underWay.values()) reject(closed("etcd"));
    await Promise.allSettled(this.#underWay.keys());
  }
}
