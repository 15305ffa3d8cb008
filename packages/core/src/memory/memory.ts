/**
 * `memoryBackend()`: leases in the memory of one process, for tests and for workers inside one process.
 *
 * Guarantees: everything that the contract says, between the callers of one backend object.
 * Does not guarantee: anything across processes, or after a restart. Its tokens follow the wall clock, so they keep
 * growing over restarts as long as that clock does.
 */
import type { BackendLimits, LeaseBackend } from "../backend/backend.js";
import { Bell } from "../backend/bell.js";
import { checkEndMemory } from "../backend/check.js";
import { defineBackend } from "../backend/define-backend.js";
import { type HistorySource, readChanges } from "../backend/feed.js";
import { Turns } from "../backend/turns.js";
import { type Clock, systemClock } from "../clock.js";
import { createLeaseId } from "../id.js";
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
  ttlStepMs: 1,
  maxClaims: 1000,
  expirySlackMs: 1,
  orphanSlackTtls: 0,
  endMemoryMs: 60_000,
  renewals: "recorded",
  history: "kept",
  mayEndEarly: false,
});

/**
 * Opens an empty store in memory. It does no I/O and ends with the process.
 *
 * @throws `INVALID_ARGUMENT` for a bad option
 */
export function memoryBackend(options: MemoryBackendOptions = {}): LeaseBackend {
  const clock = options.clock ?? systemClock;
  const limits = { ...LIMITS, endMemoryMs: options.endMemoryMs ?? LIMITS.endMemoryMs };
  checkEndMemory(limits.endMemoryMs);
  const store = new MemoryStore({ epoch: createLeaseId(clock.wallNow()), endMemoryMs: limits.endMemoryMs });
  const now = () => store.begin({ now: Math.floor(clock.now()), wallNow: Math.floor(clock.wallNow()) });
  const turns = new Turns(clock, (id) => now().steps.turn(id));
  const recorded = new Bell();

  /** One atomic step, then wakes the waiters that it concerns. */
  function step<T>(run: (ledger: MemoryStore) => T): T {
    const before = store.bounds().last;
    try {
      return run(now());
    } finally {
      if (store.bounds().last !== before) {
        turns.check(store.takeMoved());
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

  return defineBackend({
    kind: "memory",
    limits,
    acquire: async (request) => step(({ steps }) => steps.acquire(request)),
    turn: (wait) => turns.wait(wait),
    renew: async (requests) => requests.map((request) => step(({ steps }) => steps.renew(request))),
    release: async (requests) => requests.map((request) => step(({ steps }) => steps.release(request))),
    list: async (query) => now().list(query),
    sweep: async (options) => step((ledger) => ledger.sweep(options)),
    changes: (options) => readChanges(options, history),
    async close() {
      turns.close();
      recorded.close();
    },
  });
}
