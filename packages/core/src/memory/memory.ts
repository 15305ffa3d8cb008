/**
 * `memoryBackend()`: leases in the memory of one process. The specification that other backends are held to, and the
 * backend for tests and for workers inside one process.
 *
 * Guarantees: everything that the contract says, between the callers of one backend object.
 * Does not guarantee: anything across processes, or after a restart. Its tokens follow the wall clock, so they keep
 * growing over restarts as long as that clock does.
 */
import type { BackendLimits, ChangesOptions, LeaseBackend } from "../backend/backend.js";
import { Bell } from "../backend/bell.js";
import {
  checkAcquire,
  checkChanges,
  checkQuery,
  checkRelease,
  checkRenew,
  checkSweep,
  checkTurn,
} from "../backend/check.js";
import { type HistorySource, readChanges } from "../backend/feed.js";
import type { Moment } from "../backend/record.js";
import { Turns } from "../backend/turns.js";
import { type Clock, systemClock } from "../clock.js";
import { LeaseError } from "../errors.js";
import { createLeaseId } from "../id.js";
import type { LeaseEvent } from "../model/model.js";
import { MemoryStore } from "./memory-store.js";

/** How long ends are remembered, and by which clock. */
export interface MemoryBackendOptions {
  /** Default: the machine's clocks. */
  readonly clock?: Clock;
  /** How long an id that ended by force or by time is remembered. Default 60 000 ms. */
  readonly endMemoryMs?: number;
}

/** What the memory backend takes and promises, unless an option says otherwise. */
const LIMITS: BackendLimits = Object.freeze({
  minTtlMs: 1,
  maxTtlMs: 7 * 24 * 3_600_000,
  ttlStepMs: 1,
  maxClaims: 1000,
  expirySlackMs: 0,
  endMemoryMs: 60_000,
  clockGranularityMs: 1,
  remainingStepMs: 1,
  recordsRenewals: true,
  countsEveryRenewal: true,
  history: "kept",
  mayEndEarly: false,
});

/** Opens an empty store in memory. It does no I/O and ends with the process. */
export function memoryBackend(options: MemoryBackendOptions = {}): LeaseBackend {
  const clock = options.clock ?? systemClock;
  const limits = Object.freeze({ ...LIMITS, endMemoryMs: options.endMemoryMs ?? LIMITS.endMemoryMs });
  const store = new MemoryStore({ epoch: createLeaseId(clock.wallNow()), endMemoryMs: limits.endMemoryMs });
  const moment = (): Moment => ({ now: Math.floor(clock.now()), wallNow: Math.floor(clock.wallNow()) });
  const turns = new Turns(clock, (id) => store.turn(id, moment()));
  const recorded = new Bell();
  let closed = false;

  /** One atomic step, then wakes whoever it concerns. */
  function step<T>(run: (at: Moment) => T): T {
    if (closed) throw new LeaseError("CLOSED", "This memory backend was closed.");
    const before = store.bounds().last;
    try {
      return run(moment());
    } finally {
      if (store.bounds().last !== before) {
        turns.check();
        recorded.ring();
      }
    }
  }

  const history: HistorySource = {
    bounds: () => store.bounds(),
    page: (sequence, limit) => ({
      entries: store.eventsAfter(sequence, limit),
      prunedThrough: store.bounds().prunedThrough,
    }),
    entryAfter: (sequence, signal) =>
      store.bounds().last > sequence ? Promise.resolve() : recorded.wait(signal),
  };

  async function* changes(change: ChangesOptions): AsyncGenerator<LeaseEvent, void> {
    checkChanges(change);
    step(() => {});
    yield* readChanges(change, history);
  }

  return {
    kind: "memory",
    limits,
    async acquire(request) {
      checkAcquire(request, limits);
      return step((at) => store.acquire(request, at));
    },
    async turn(wait) {
      checkTurn(wait);
      step(() => {});
      await turns.wait(wait);
    },
    async renew(requests) {
      checkRenew(requests, limits);
      return requests.map((request) => step((at) => store.renew(request, at)));
    },
    async release(requests) {
      checkRelease(requests, limits);
      return requests.map((request) => step((at) => store.release(request, at)));
    },
    async list(query) {
      checkQuery(query);
      return step((at) => store.list(query, at));
    },
    async sweep(options) {
      checkSweep(options);
      return step((at) => store.sweep(options, at));
    },
    changes,
    async close() {
      closed = true;
      turns.close();
      recorded.close();
    },
  };
}
