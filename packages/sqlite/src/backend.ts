/**
 * `sqliteBackend()`: leases in one SQLite file, for all processes of one machine that open it.
 *
 * Guarantees: everything that the contract says, between all processes of one boot of one machine. A process that is
 * killed at any moment loses nothing that was answered. A stepped wall clock neither ends nor extends a lease.
 * With `synchronous: "FULL"` an answered step also survives a power cut.
 *
 * Does not guarantee: anything on a network file system (refused where the system tells), across machines that see
 * the file in another way, or for a file that is copied, edited or restored while it is open. With
 * `synchronous: "NORMAL"` the last steps before a power cut may be undone; tokens still grow, so a fenced receiver
 * stays safe. After a reboot every lease lives for its whole time again, so it may block longer than promised.
 */
import { resolve as resolvePath } from "node:path";
import { type Clock, isLeaseError, type LeaseBackend, LeaseError, type LeaseEvent } from "@lease/core";
import {
  type BackendLimits,
  type ChangesOptions,
  defineBackend,
  type HistorySource,
  readChanges,
} from "@lease/core/backend";
import { asBootClock, systemBootClock } from "./clock.js";
import type { Connection } from "./driver.js";
import type { FileSystemTypeOf } from "./file.js";
import { Group } from "./group.js";
import { boundsWithCursor, historyPage, lastSequence } from "./history.js";
import { listLeases, wantsAgentIndex } from "./list.js";
import { openDatabase } from "./open.js";
import type { Migration } from "./schema.js";
import { sweep, sweepIdle } from "./sweep.js";
import { Waiting } from "./waiting.js";

/** Where the leases are and how they are kept. */
export interface SqliteBackendOptions {
  /** The database file. A relative path counts from the working directory of this very call; its folder must exist. */
  readonly path: string;
  /**
   * `"NORMAL"` (default) survives the death of any process; `"FULL"` also a power cut, for one `fsync` a commit.
   * Choose `"FULL"` when holders outlive this machine, as those of a server do.
   */
  readonly synchronous?: "NORMAL" | "FULL";
  /** How long a call tries while another process writes. Default 5000 ms; then `BACKEND_UNAVAILABLE`. */
  readonly busyTimeoutMs?: number;
  /** How long an id that ended by force or by time is remembered. Default 60 000 ms. */
  readonly endMemoryMs?: number;
  /** Whether the history tells of renewals. Default true; without, a renewal writes less. */
  readonly recordRenewals?: boolean;
  /** Default: the machine's clocks. Another one is for simulated time, in one process. */
  readonly clock?: Clock;
}

/** What tests put in place of parts of the machine. */
export interface Seams {
  /** Of an injected clock. */
  readonly bootId?: () => string;
  readonly fileSystemTypeOf?: FileSystemTypeOf;
  readonly migrations?: readonly Migration[];
  readonly onOpen?: (db: Connection) => void;
}

const DEFAULTS = Object.freeze({
  synchronous: "NORMAL" as const,
  busyTimeoutMs: 5000,
  endMemoryMs: 60_000,
  recordRenewals: true,
});

/**
 * Keeps leases in an SQLite file that any number of processes of this machine may share. It does no I/O itself: the
 * file is opened (and, if there is none, made) by the first call, and an error of opening comes out of that call.
 *
 * @throws `INVALID_ARGUMENT` for a bad option
 */
export function sqliteBackend(options: SqliteBackendOptions): LeaseBackend {
  return createSqliteBackend(options);
}

/** {@link sqliteBackend} with seams for tests. */
export function createSqliteBackend(options: SqliteBackendOptions, seams: Seams = {}): LeaseBackend {
  checkOptions(options);
  const path = resolvePath(options.path);
  const synchronous = options.synchronous ?? DEFAULTS.synchronous;
  const busyTimeoutMs = options.busyTimeoutMs ?? DEFAULTS.busyTimeoutMs;
  const limits: BackendLimits = Object.freeze({
    minTtlMs: 1,
    ttlStepMs: 1,
    maxClaims: 1000,
    expirySlackMs: 1,
    endMemoryMs: options.endMemoryMs ?? DEFAULTS.endMemoryMs,
    // After a reboot every lease lives for its whole time again.
    orphanSlackTtls: 1,
    renewals: (options.recordRenewals ?? DEFAULTS.recordRenewals) ? "recorded" : "counted",
    history: "kept",
    mayEndEarly: false,
  });
  const { endMemoryMs } = limits;
  const clock =
    options.clock === undefined
      ? systemBootClock(seams.bootId)
      : asBootClock(options.clock, seams.bootId ?? (() => "injected clock"));

  const waiting = new Waiting(clock, path);
  const group = new Group({
    path,
    clock,
    busyTimeoutMs,
    endMemoryMs,
    recordRenewals: limits.renewals === "recorded",
    open: () => openDatabase({ path, synchronous, endMemoryMs, clock, ...seams }),
    onRecorded: (ledger, database) => waiting.onRecorded(ledger, database),
  });

  async function* changes(change: ChangesOptions): AsyncGenerator<LeaseEvent, void> {
    const { signal } = change;
    const database = await group.read((step) => step.database);
    const stopWatching = change.follow === true ? waiting.watchHistory(database) : () => {};
    const history: HistorySource = {
      bounds: () => group.read(({ head }) => boundsWithCursor(database.statements, head, change.after)),
      page: (sequence, limit) =>
        group.read(({ head }) => historyPage(database.statements, head, sequence, limit)),
      entryAfter: (sequence) =>
        waiting.news(() => group.read(({ head }) => lastSequence(head)), sequence, signal),
    };
    try {
      yield* readChanges(change, history);
    } finally {
      stopWatching();
    }
  }

  /** A list has its answer without it, so a failure is nobody's: the next list tries again. */
  async function indexAgents(): Promise<void> {
    try {
      await group.write(({ database }) => database.indexAgents());
    } catch (error) {
      if (!isLeaseError(error)) throw error;
    }
  }

  return defineBackend({
    kind: "sqlite",
    limits,
    acquire: (request) => group.write(({ ledger }) => ledger.steps.acquire(request)),
    async turn(wait) {
      const database = await group.read((step) => step.database);
      await waiting.turn(wait, database);
    },
    renew: (requests) =>
      group.write(({ ledger: { steps } }) => requests.map((request) => steps.renew(request))),
    release: (requests) =>
      group.write(({ ledger: { steps } }) => requests.map((request) => steps.release(request))),
    async list(query) {
      const { page, many } = await group.read(({ database: { statements }, at, head }) => ({
        page: listLeases(statements, head, query, at),
        many: wantsAgentIndex(statements, head, query),
      }));
      if (many) await indexAgents();
      return page;
    },
    async sweep(options) {
      // Every process may sweep every few seconds: no writer should have to wait for one that finds nothing.
      const idle = await group.read(({ database, at, head }) =>
        sweepIdle(database.statements, options, at, head),
      );
      return (
        idle ?? group.write(({ database, ledger, at, head }) => sweep(database, ledger, options, at, head))
      );
    },
    changes,
    async close() {
      waiting.close();
      await group.close();
    },
  });
}

function checkOptions(options: SqliteBackendOptions): void {
  const { path, synchronous = "NORMAL", busyTimeoutMs = 0, endMemoryMs = 0 } = options;
  if (typeof path !== "string" || path === "" || path !== path.trim() || path.includes("\0")) {
    refuseOption("path", "must be the path of a file, without spaces around it");
  }
  if (path === ":memory:" || path.startsWith("file:")) {
    refuseOption(
      "path",
      "must be the path of a file: for leases in memory use memoryBackend() of @lease/core",
    );
  }
  if (synchronous !== "NORMAL" && synchronous !== "FULL") {
    refuseOption("synchronous", 'must be "NORMAL" or "FULL"');
  }
  if (!(busyTimeoutMs >= 0)) refuseOption("busyTimeoutMs", "must be a number of at least 0");
  if (!Number.isInteger(endMemoryMs) || endMemoryMs < 0 || endMemoryMs > MAX_END_MEMORY_MS) {
    refuseOption("endMemoryMs", `must be a whole number from 0 to ${MAX_END_MEMORY_MS}`);
  }
}

const MAX_END_MEMORY_MS = 365 * 24 * 3_600_000;

function refuseOption(field: string, problem: string): never {
  throw new LeaseError("INVALID_ARGUMENT", `${field} ${problem}`, { field });
}
