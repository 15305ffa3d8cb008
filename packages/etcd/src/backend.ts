/**
 * `etcdBackend()`: leases in an etcd cluster, for any number of machines.
 *
 * Guarantees: everything that the contract says, for as long as most members of the cluster live and keep their data;
 * the loss of any minority, leader included, loses no lease and gives none twice. Claims end by etcd's own clock, with
 * nobody sweeping. Tokens are revisions of the whole cluster: they only grow.
 *
 * Does not guarantee: anything across a restored snapshot (revisions go back, so tokens do). Leases last longer than
 * promised, never shorter, after an election: each then has its whole TTL again. An etcd before 3.4.31 or 3.5.13 can end
 * leases that were just renewed when a leader was paused for longer than their TTL: their holders hear of it at once,
 * and only fencing protects until then.
 */
import type { LeaseBackend } from "@lease/core";
import {
  type BackendLimits,
  defineBackend,
  type ReleaseRequest,
  type ReleaseResult,
  type RenewRequest,
  type RenewResult,
} from "@lease/core/backend";
import { acquire } from "./acquire.js";
import { changes } from "./changes.js";
import { Connection } from "./connection.js";
import { type Context, Known } from "./context.js";
import { closed, tooSlow, tooSlowToRead } from "./errors.js";
import { EtcdLeases } from "./etcd-leases.js";
import { KeepAlives } from "./keep-alive.js";
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
  const keepAlives = new KeepAlives(connection);
  const watches = new Watches(connection);
  const leases = new EtcdLeases(connection, keepAlives, limits.endMemoryMs);
  const keys = new Keys(options.namespace ?? DEFAULTS.namespace);
  const context: Context = { connection, keys, leases, watches, known: new Known() };

  const underWay = new Set<Promise<unknown>>();
  const refusals = new Set<(error: Error) => void>();
  let isClosed = false;

  /**
   * What is under way at `close()` ends with `CLOSED`, and is awaited before etcd leases are given back.
   *
   * @param boundMs - its steps are bounded one by one; this is the bound of all together
   * @param late - what it then ends with
   */
  function call<T>(run: () => Promise<T>, boundMs = 2 * timeoutMs, late = tooSlow): Promise<T> {
    if (isClosed) return Promise.reject(closed());
    const running = run();
    underWay.add(running);
    return new Promise((resolve, reject) => {
      refusals.add(reject);
      const timer = Number.isFinite(boundMs)
        ? setTimeout(() => reject(late()), Math.min(boundMs, 2 ** 31 - 1))
        : undefined;
      const settled = () => {
        clearTimeout(timer);
        underWay.delete(running);
        refusals.delete(reject);
      };
      running.then(
        (answer) => {
          settled();
          resolve(answer);
        },
        (error: unknown) => {
          settled();
          reject(error);
        },
      );
    });
  }

  async function close(): Promise<void> {
    for (const refuse of refusals) refuse(closed());
    watches.close();
    await Promise.allSettled(underWay);
    // Whatever cannot be given back now ends by itself.
    await leases.close().catch(() => {});
    keepAlives.close();
    connection.close();
  }

  return defineBackend({
    kind: "etcd",
    limits,
    acquire: (request) => call(() => acquire(context, request)),
    turn: (wait) => call(() => turn(context, wait), Number.POSITIVE_INFINITY),
    renew: (requests) => call(() => renewAll(context, requests)),
    release: (requests) => call(() => releaseAll(context, requests)),
    list: (query) => call(() => list(context, query), undefined, tooSlowToRead),
    sweep: (options) => call(() => sweep(context, options)),
    changes: (options) => changes(context, options),
    close() {
      isClosed = true;
      return close();
    },
  });
}

/** Requests for one id are answered one after the other, those for different ids together. */
async function renewAll(context: Context, requests: readonly RenewRequest[]): Promise<RenewResult[]> {
  const results = new Map<RenewRequest, RenewResult>();
  for (let open = requests; open.length > 0; ) {
    const ids = new Set<string>();
    const round = open.filter(({ id }) => ids.size < ids.add(id).size);
    const answers = await renew(context, round);
    for (const [index, request] of round.entries()) results.set(request, answers[index] as RenewResult);
    open = open.filter((request) => !results.has(request));
  }
  return requests.map((request) => results.get(request) as RenewResult);
}

async function releaseAll(context: Context, requests: readonly ReleaseRequest[]): Promise<ReleaseResult[]> {
  const last = new Map<string, Promise<unknown>>();
  const answers = requests.map((request) => {
    const before = last.get(request.id) ?? Promise.resolve();
    const answer = before.then(() => release(context, request));
    last.set(request.id, answer);
    return answer;
  });
  return Promise.all(answers);
}
