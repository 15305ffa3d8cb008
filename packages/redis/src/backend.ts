/**
 * `redisBackend()`: leases in Redis, for any number of processes on any number of machines.
 *
 * Guarantees, while one Redis keeps its data: everything that the contract says. One script a call decides, by the
 * server's clock alone; nobody is overtaken; tokens only grow. They also grow over a restart that lost everything and
 * over a failover, as long as the new server's clock is not behind by more than the time in between.
 *
 * Does not guarantee: exclusion over lost data. A restart without an append-only file, a failover (Redis replicates
 * after it answered), an eviction, or a server clock that is stepped can give a resource to a second holder while the
 * first one still believes. Fencing tokens protect what checks them; who needs more takes the etcd backend. The README
 * has the table.
 */
import { randomBytes } from "node:crypto";
import type { LeaseBackend, LeaseEvent } from "@lease/core";
import {
  type BackendLimits,
  type ChangesOptions,
  checkEndMemory,
  checkInteger,
  defineBackend,
  type HistorySource,
  invalidArgument,
  readChanges,
  wholeBatch,
} from "@lease/core/backend";
import type { Cluster, Redis } from "ioredis";
import { acquireResult, releaseResult, renewResult } from "./answers.js";
import { type ClientFactory, clientsLike, clientsOfUrl } from "./clients.js";
import { encodeAcquire, encodeRelease, encodeRenew, type Operation } from "./codec.js";
import { Connection } from "./connection.js";
import { HistoryNews, HistoryReader } from "./history.js";
import { namespaceKeys } from "./keys.js";
import { Listing } from "./list.js";
import { CLIENT_WIDTH } from "./scripts/layout.js";
import { Steps } from "./steps.js";
import { Subscriber } from "./subscriber.js";
import { sweep } from "./sweep.js";
import { Waiters } from "./waiters.js";

/** Where the leases are. Give either `url` or `client`. */
export interface RedisBackendOptions {
  /** `redis://user:password@host:6379/0`, or `rediss://…` for TLS. */
  readonly url?: string;
  /**
   * A client of ioredis for everything that a URL cannot say: Sentinel, Cluster, TLS with certificates of your own. It
   * is a pattern: the backend opens connections like it and never uses, changes or closes the client itself, because a
   * client with the default options sends a command twice when an answer is lost.
   */
  readonly client?: Redis | Cluster;
  /** Leases of one namespace know nothing of those of another. All its keys are in one hash slot. Default `"default"`. */
  readonly namespace?: string;
  /** The bound of a call. Default 5000 ms; then `BACKEND_UNAVAILABLE`, or `OUTCOME_UNKNOWN` if it was sent. */
  readonly callTimeoutMs?: number;
  /** How long an id that ended by force or by time is remembered. Default 60 000 ms. */
  readonly endMemoryMs?: number;
  /** Whether renewals are in the history. Default true; without, a renewal writes less. */
  readonly recordRenewals?: boolean;
  /** Use a Redis that may evict leases (an `allkeys-…` policy). Default false: it is refused. */
  readonly allowEviction?: boolean;
}

const DEFAULTS = Object.freeze({
  namespace: "default",
  callTimeoutMs: 5000,
  endMemoryMs: 60_000,
  recordRenewals: true,
  allowEviction: false,
});

/**
 * A waiter whose connection is half-open does not hear of its hand-off, and finds it by asking again, which managers do
 * each third of `waitTtlMs`. A lease that would end before it asked twice is not handed over: it waits to be asked for.
 */
const HAND_OFF_PART = 2 / 3;

/**
 * Keeps leases in Redis 6.2 or newer. It does no I/O itself: the first call connects, and an error of connecting comes
 * out of that call.
 *
 * @throws `INVALID_ARGUMENT` for a bad option
 */
export function redisBackend(options: RedisBackendOptions): LeaseBackend {
  const callTimeoutMs = options.callTimeoutMs ?? DEFAULTS.callTimeoutMs;
  const endMemoryMs = options.endMemoryMs ?? DEFAULTS.endMemoryMs;
  const recordRenewals = options.recordRenewals ?? DEFAULTS.recordRenewals;
  checkInteger(callTimeoutMs, "callTimeoutMs", 1, 2 ** 31 - 1);
  checkEndMemory(endMemoryMs);
  const keys = namespaceKeys(options.namespace ?? DEFAULTS.namespace);
  const clients = clientsOf(options, callTimeoutMs);
  const limits: BackendLimits = Object.freeze({
    minTtlMs: 1,
    ttlStepMs: 1,
    maxClaims: 1000,
    expirySlackMs: 1,
    endMemoryMs,
    orphanSlackTtls: 0,
    renewals: recordRenewals ? "recorded" : "counted",
    history: "kept",
    // What ends a lease early here (lost data) loses its history too: a follower would not see it.
    mayEndEarly: false,
  });

  const client = randomBytes((CLIENT_WIDTH * 3) / 4).toString("base64url");
  const connection = new Connection({
    clients,
    keys: keys.all,
    timeoutMs: callTimeoutMs,
    allowEviction: options.allowEviction ?? DEFAULTS.allowEviction,
  });
  const steps = new Steps({ connection, client, endMemoryMs, recordRenewals });
  const run = (operation: Operation) => steps.run(operation);
  const subscriber = new Subscriber({
    clients,
    connection,
    channel: keys.channelOf(client),
    onMessage: (message) => waiters.onMessage(message),
    onChange: () => waiters.onSubscriptionChanged(),
  });
  const waiters = new Waiters(run, subscriber);
  const listing = new Listing(connection);
  const news = new HistoryNews(clients, keys.history);
  async function* changes(change: ChangesOptions): AsyncGenerator<LeaseEvent, void> {
    const reader = new HistoryReader(connection, change.after);
    const history: HistorySource = {
      bounds: () => reader.bounds(),
      page: (sequence) => reader.page(sequence),
      entryAfter: (sequence, signal) => news.after(sequence, signal),
    };
    const stopFollowing = change.follow === true ? news.follow() : () => {};
    try {
      yield* readChanges(change, history);
    } finally {
      stopFollowing();
    }
  }

  return defineBackend({
    kind: "redis",
    limits,
    async acquire(request) {
      const takesHandOff = request.wait === "hand-off" && request.ttlMs >= request.waitTtlMs * HAND_OFF_PART;
      const handed = takesHandOff ? waiters.handedTo(request) : null;
      if (handed !== null) return { status: "granted", lease: handed, repeated: false };

      const operation = encodeAcquire(request, client, takesHandOff && !clients.isCluster);
      if (request.wait !== "no") waiters.onAsking(request.id);
      let isQueued = false;
      try {
        const reply = await run(operation);
        const result = acquireResult(request, waiters.isQueued(request.id), reply);
        if (result.status === "refused" && result.lease !== null) {
          isQueued = true;
          waiters.onQueued(result.lease, result.retryInMs, reply);
        }
        return result;
      } finally {
        if (!isQueued) waiters.onGone(request.id);
      }
    },
    turn: (wait) => waiters.turn(wait),
    renew: (requests) =>
      wholeBatch(requests.map(async (request) => renewResult(request.id, await run(encodeRenew(request))))),
    async release(requests) {
      // What was handed to it is over; the id may even be asked for again.
      for (const { id } of requests) waiters.onGone(id);
      const replies = await wholeBatch(requests.map((request) => run(encodeRelease(request))));
      return replies.map(releaseResult);
    },
    list: (query) => listing.page(query),
    sweep: (sweepOptions) => sweep(connection, run, sweepOptions),
    changes,
    async close() {
      // It ends with what is under way, for which the connection waits.
      const stepsEnded = steps.close();
      waiters.close();
      listing.close();
      news.close();
      subscriber.close();
      await connection.close();
      await stepsEnded;
    },
  });
}

function clientsOf({ url, client }: RedisBackendOptions, timeoutMs: number): ClientFactory {
  if (url !== undefined && client !== undefined)
    throw invalidArgument("client", "and url exclude each other: give one");
  if (client === undefined) return clientsOfUrl(url as string, timeoutMs);
  if (typeof client !== "object" || client === null || typeof client.duplicate !== "function") {
    throw invalidArgument("client", "must be a Redis or Cluster client of ioredis");
  }
  return clientsLike(client, timeoutMs);
}
