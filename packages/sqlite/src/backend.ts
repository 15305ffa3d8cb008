/**
 * `sqliteBackend()`: leases in one SQLite file, for all processes of one machine that open it.
 *
 * Guarantees: everything that the contract says, between all processes of one boot of one machine. A process that is
 * killed at any moment loses nothing that was answered. A stepped wall clock neither ends nor extends a lease.
 * With `synchronous: "FULL"` an answered step also survives a power cut.
 *
 * Does not guarantee: anything on a network file system (refused where the system can detect it), across machines that see
 * the file in another way, or for a file that is copied, edited or restored while it is open. With
 * `synchronous: "NORMAL"` the last steps before a power cut may be undone; tokens still grow, so a fenced receiver
 * stays safe. After a reboot every lease lives for its whole time again, so it may block longer than promised.
 */
import { resolve as resolvePath } from "node:path";
import { type Clock, isLeaseError, type LeaseBackend, type LeaseEvent } from "@lease/core";
import {
  type BackendLimits,
  type ChangesOptions,
  checkEndMemory,
  closed,
  defineBackend,
  type HistorySource,
  invalidArgument,
  readChanges,
} from "@lease/core/backend";
import { bootClock, bootIdOf } from "./clock.js";
import { Group } from "./group.js";
import { boundsWithCursor, historyPage } from "./history.js";
import { listLeases, wantsAgentIndex } from "./list.js";
import { type OpenSeams, openDatabase } from "./open.js";
import { isClean, sweep } from "./sweep.js";
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
  /** Whether the history has renewals. Default true; without, a renewal writes less. */
  readonly recordRenewals?: boolean;
  /** Default: the machine's clocks. Another one is for simulated time, in one process. */
  readonly clock?: Clock;
}

/** What tests put in place of parts of the machine. */
export interface Seams extends OpenSeams {
  /** Of an injected clock. */
  readonly bootId?: () => string;
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
  const { path, synchronous, busyTimeoutMs, endMemoryMs, recordRenewals } = checked(options);
  const limits: BackendLimits = Object.freeze({
    minTtlMs: 1,
    ttlStepMs: 1,
    maxClaims: 1000,
    expirySlackMs: 1,
    endMemoryMs,
    // After a reboot every lease lives for its whole time again.
    orphanSlackTtls: 1,
    renewals: recordRenewals ? "recorded" : "counted",
    history: "kept",
    mayEndEarly: false,
  });
  const clock = options.clock ?? bootClock;
  const bootId = seams.bootId ?? (options.clock === undefined ? bootIdOf() : () => "injected clock");
  let waiting: Waiting | undefined;
  let closing = false;
  const group = new Group({
    path,
    clock,
    busyTimeoutMs,
    endMemoryMs,
    recordRenewals,
    async open() {
      const database = await openDatabase({ path, synchronous, endMemoryMs, clock, bootId }, seams);
      waiting = new Waiting(clock, database);
      return database;
    },
    onRecorded: (ledger) => waiting?.onRecorded(ledger),
  });

  /** Opens the file, if no call did before. */
  async function opened(): Promise<Waiting> {
    await group.read(() => {});
    if (closing || waiting === undefined) throw closed("sqlite");
    return waiting;
  }

  async function* changes(change: ChangesOptions): AsyncGenerator<LeaseEvent, void> {
    const { after, follow, signal, background = false } = change;
    const watched = await opened();
    const stopWatching = follow === true ? watched.watchHistory(background) : () => {};
    const last = () => group.read(({ head }) => head.last);
    const history: HistorySource = {
      bounds: () => group.read((ledger) => boundsWithCursor(ledger, after)),
      page: (sequence, limit) => group.read((ledger) => historyPage(ledger, sequence, limit)),
      entryAfter: (sequence) => watched.news(last, sequence, signal),
    };
    try {
      yield* readChanges(change, history);
    } finally {
      stopWatching();
    }
  }

  /** A list has its answer without the index, so a failure is reported to no caller: the next list tries again. */
  async function indexAgents(): Promise<void> {
    try {
      await group.write(({ database, statements }) => {
        statements.indexAgents.run();
        database.forgetHead();
      });
    } catch (error) {
      if (!isLeaseError(error)) throw error;
    }
  }

  return defineBackend({
    kind: "sqlite",
    limits,
    acquire: (request) => group.write(({ steps }) => steps.acquire(request)),
    turn: async (wait) => (await opened()).turn(wait),
    renew: (requests) => group.write(({ steps }) => requests.map((request) => steps.renew(request))),
    release: (requests) => group.write(({ steps }) => requests.map((request) => steps.release(request))),
    async list(query) {
      const { page, scannedMany } = await group.read((ledger) => ({
        page: listLeases(ledger, query),
        scannedMany: wantsAgentIndex(ledger, query),
      }));
      if (scannedMany) await indexAgents();
      return page;
    },
    async sweep(options) {
      // Every process may sweep every few seconds: no writer should have to wait for one that finds nothing.
      const clean = await group.read((ledger) => isClean(ledger, options));
      return clean
        ? { expired: [], pruned: 0, more: false }
        : group.write((ledger) => sweep(ledger, options));
    },
    changes,
    async close() {
      closing = true;
      waiting?.close();
      await group.close();
    },
  });
}

/** The options, checked and with their defaults. */
function checked(options: SqliteBackendOptions): Required<Omit<SqliteBackendOptions, "clock">> {
  const { path, synchronous = DEFAULTS.synchronous, busyTimeoutMs = DEFAULTS.busyTimeoutMs } = options;
  const { endMemoryMs = DEFAULTS.endMemoryMs, recordRenewals = DEFAULTS.recordRenewals } = options;
  if (typeof path !== "string" || path === "" || path !== path.trim() || path.includes("\0")) {
    throw invalidArgument("path", "must be the path of a file, without spaces around it");
  }
  if (path === ":memory:" || path.startsWith("file:")) {
    throw invalidArgument("path", "must be the path of a file; memoryBackend() keeps leases in memory");
  }
  if (synchronous !== "NORMAL" && synchronous !== "FULL") {
    throw invalidArgument("synchronous", 'must be "NORMAL" or "FULL"');
  }
  if (!(busyTimeoutMs >= 0)) throw invalidArgument("busyTimeoutMs", "must be a number of at least 0");
  checkEndMemory(endMemoryMs);
  return { path: resolvePath(path), synchronous, busyTimeoutMs, endMemoryMs, recordRenewals };
}
