/**
 * `postgresBackend()`: leases in Postgres, for any number of processes on any number of machines.
 *
 * Guarantees, while the server keeps what it committed: everything that the contract says. One function a batch decides, in
 * one transaction, under the lock of its namespace and by the server's clock, which is never let back; no request is
 * overtaken, tokens only grow, and the numbers of the history are given in the order of the commits.
 *
 * Does not guarantee: exclusion over lost data. A standby that was promoted before it had everything, or a crash with
 * `synchronous_commit = off`, can give a resource to a second holder while the first one still relies on it. Fencing tokens
 * protect what checks them. The README has the table.
 */
import { randomBytes } from "node:crypto";
import type { LeaseBackend } from "@lease/core";
import { type BackendLimits, defineBackend, invalidArgument, wholeBatch } from "@lease/core/backend";
import { acquireResult, releaseResult, renewResult } from "./answers.js";
import { acquireOperation, releaseOperation, renewOperation } from "./codec.js";
import { Connection } from "./connection.js";
import { History } from "./history.js";
import { linksOfPool, linksOfUrl, type OpenLink } from "./links.js";
import { list, sweep } from "./list.js";
import { Listener } from "./listener.js";
import { type PostgresBackendOptions, settingsOf } from "./options.js";
import { prepare } from "./schema.js";
import { Steps } from "./steps.js";
import { parseUrl } from "./url.js";
import { Waiters } from "./waiters.js";

const CLOSE_WITHIN_MS = 1_000;
const MOST_READS = 2;

/**
 * Keeps leases in Postgres 13 or newer. It does no I/O itself: the first call connects, and an error of connecting comes
 * out of that call.
 *
 * @throws `INVALID_ARGUMENT` for a bad option
 */
export function postgresBackend(options: PostgresBackendOptions): LeaseBackend {
  const settings = settingsOf(options);
  const open = openOf(options);
  const limits: BackendLimits = Object.freeze({
    minTtlMs: 1,
    ttlStepMs: 1,
    maxClaims: 1000,
    expirySlackMs: 1,
    orphanSlackTtls: 0,
    endMemoryMs: settings.endMemoryMs,
    renewals: settings.recordRenewals ? "recorded" : "counted",
    history: "kept",
    // What ends a lease early here (lost data) loses its history too: a follower would not see it.
    mayEndEarly: false,
  });

  const common = {
    open,
    prepare: (link: Parameters<typeof prepare>[0]) => prepare(link, settings),
    timeoutMs: settings.callTimeoutMs,
    keep: options.pool === undefined,
  };
  const client = randomBytes(8).toString("hex");
  const stepConnection = new Connection({ ...common, most: 1 });
  const reads = new Connection({ ...common, most: MOST_READS });
  const steps = new Steps(stepConnection, client, settings);
  const channel = `${settings.schema}_${client}`;
  const listener = new Listener({
    open: openToListen(options, open),
    timeoutMs: settings.callTimeoutMs,
    onNotification: (name, payload) => {
      if (name === channel) waiters.onNotified(payload);
      else history.onNotified(name);
    },
    onChange: () => {
      waiters.onListenerChanged();
      history.onListenerChanged();
    },
  });
  const waiters = new Waiters((operation) => steps.run(operation), listener, channel);
  const history = new History(reads, listener, settings);

  return defineBackend({
    kind: "postgres",
    limits,
    async acquire(request) {
      if (request.wait !== "no") waiters.onAsking(request.id);
      let isQueued = false;
      try {
        const result = acquireResult(request, await steps.run(acquireOperation(request)));
        if (result.status === "refused" && result.lease !== null) {
          isQueued = true;
          waiters.onQueued(request.id, Math.min(result.retryInMs, result.lease.expiresInMs));
        }
        return result;
      } finally {
        if (!isQueued) waiters.onGone(request.id);
      }
    },
    turn: (wait) => waiters.turn(wait),
    renew: (requests) =>
      wholeBatch(requests.map(async (request) => renewResult(await steps.run(renewOperation(request))))),
    release(requests) {
      for (const { id } of requests) waiters.onGone(id);
      return wholeBatch(
        requests.map(async (request) => releaseResult(await steps.run(releaseOperation(request)))),
      );
    },
    list: (query) => list(reads, settings, query),
    sweep: (sweepOptions) => sweep(reads, settings, sweepOptions),
    changes: (change) => history.changes(change),
    async close() {
      const stepsEnded = steps.close();
      waiters.close();
      history.close();
      listener.close();
      await Promise.all([stepConnection.close(CLOSE_WITHIN_MS), reads.close(CLOSE_WITHIN_MS)]);
      await stepsEnded;
    },
  });
}

function openOf({ url, pool, ssl }: PostgresBackendOptions): OpenLink {
  if (url !== undefined && pool !== undefined)
    throw invalidArgument("pool", "and url exclude each other: give one");
  if (pool === undefined) return linksOfUrl(parseUrl(url, "url"), ssl);
  if (typeof pool !== "object" || pool === null || typeof pool.connect !== "function") {
    throw invalidArgument("pool", "must be a Pool of pg");
  }
  return linksOfPool(pool);
}

function openToListen({ listenUrl, ssl }: PostgresBackendOptions, open: OpenLink): OpenLink | null {
  if (listenUrl === undefined) return open;
  return listenUrl === "poll" ? null : linksOfUrl(parseUrl(listenUrl, "listenUrl"), ssl);
}
