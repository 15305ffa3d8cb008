/**
 * An open lease database: is it still what was opened, is there room in it, and does its log stay short. What each
 * transaction asks of it first, and again before it answers.
 */
import { realpathSync, statSync } from "node:fs";
import { LeaseError } from "@lease/core";
import type { BootClock } from "./clock.js";
import type { Connection } from "./driver.js";
import { type FileIdentity, fileToCallWith, identify, isStill } from "./file.js";
import { Reserve } from "./reserve.js";
import { indexAgents } from "./schema.js";
import { prepareStatements, type RememberedHead, type Statements } from "./statements.js";

/** An open lease database. */
export interface LeaseDatabase {
  readonly statements: Statements;
  readonly logPath: string;
  /** The file whose new time calls those who wait in line. */
  readonly callPath: string;
  /**
   * The head of the file, and with it what else is remembered, once it is sure that the file is still the one that
   * was opened, in the same boot and schema. It is read anew only after another connection's commit or
   * {@link forgetHead}: reading it costs as much as a step, and it stays true for exactly as long as what SQLite
   * itself keeps of the file in memory.
   *
   * @throws `BACKEND_UNAVAILABLE` or `BACKEND_INCOMPATIBLE` when it is not
   */
  check(): RememberedHead;
  /** Called by who changes more of the head than is changed in place. */
  forgetHead(): void;
  /** Whether the file and its log are still those that were opened. */
  isInPlace(): boolean;
  /** Makes the index of agents, in a write transaction. */
  indexAgents(): void;
  /** Ends a transaction that failed; harmless when there is none. */
  rollback(): void;
  /** Runs several reads on one snapshot. */
  inSnapshot(run: () => void): void;
  /** Whether there is room for new leases; a little is kept back for what becomes of the old ones. */
  hasRoom(): boolean;
  /** Finds room on a full disk for one step more. */
  makeRoom(): void;
  /** Empties the log if it grew long, as it does while somebody reads in one long transaction. */
  tendLog(): void;
  /** A number that changes when another connection commits. */
  dataVersion(): number;
  close(): void;
}

export interface DatabaseOptions {
  readonly path: string;
  readonly clock: BootClock;
  readonly schemaVersion: number;
  /** The file that stood there before it was opened, if there was one. */
  readonly found: FileIdentity | null;
}

/** What was looked at within this time need not be looked at again: a look costs as much as a step. */
const LOOK_AGAIN_MS = 5;
/** The log is cut back to this size once it could be emptied. */
export const LOG_KEPT_BYTES = 16 * 1024 * 1024;

/** @throws `BACKEND_UNAVAILABLE` when another file took the place of the one that was opened */
export function leaseDatabase(db: Connection, options: DatabaseOptions): LeaseDatabase {
  const { path, clock, schemaVersion } = options;
  // SQLite follows a link and keeps its other files beside the real one.
  const real = realpathSync(path);
  const logPath = `${real}-wal`;
  const opened = identify(path);
  const openedLog = identify(logPath);
  if (opened === null || openedLog === null) throw replaced(path);
  if (options.found !== null && !isStill(path, options.found)) throw replaced(path);
  const statements = prepareStatements(db);
  const bootId = clock.bootId();
  const reserve = new Reserve(`${real}-reserve`);
  const emptyLog = () => {
    try {
      db.pragma("wal_checkpoint(TRUNCATE)");
    } catch {
      // Somebody reads or writes, or there is no room for it: another time.
    }
  };
  let known: RememberedHead | undefined;
  let knownVersion = 0;
  const forgetHead = () => {
    known = undefined;
  };
  const dataVersion = () => statements.dataVersion.get() as number;
  const readHead = () => {
    const version = dataVersion();
    if (known === undefined || version !== knownVersion) {
      const head = statements.head.get();
      known = head && { ...head, has_queue: null, rows: new Map() };
      knownVersion = version;
    }
    return known;
  };
  let lookedAt = Number.NEGATIVE_INFINITY;
  let logLookedAt = Number.NEGATIVE_INFINITY;
  const isInPlace = () => {
    const now = performance.now();
    if (!isStill(path, opened)) return false;
    lookedAt = now;
    if (now - logLookedAt < LOOK_AGAIN_MS) return true;
    logLookedAt = now;
    return isStill(logPath, openedLog);
  };
  return {
    statements,
    logPath,
    callPath: fileToCallWith(real, logPath),
    isInPlace,
    check() {
      // The look at the end of each transaction does for the next, if that comes soon.
      if (performance.now() - lookedAt >= LOOK_AGAIN_MS && !isInPlace()) throw replaced(path);
      const head = readHead();
      if (head === undefined) throw damaged(path);
      if (head.boot_id !== bootId || clock.bootId() !== bootId) throw otherBoot(path);
      if (head.schema_version !== schemaVersion) throw otherSchema(path, head.schema_version);
      return head;
    },
    forgetHead,
    indexAgents() {
      indexAgents(db);
      forgetHead();
    },
    rollback() {
      forgetHead();
      try {
        if (db.inTransaction) statements.rollback.run();
      } catch {
        // What made the transaction fail is what the caller is told; the next one begins with a new try.
      }
    },
    inSnapshot(run) {
      statements.beginRead.run();
      try {
        run();
      } finally {
        statements.commit.run();
      }
    },
    hasRoom: () => reserve.isWhole(),
    makeRoom() {
      reserve.spend();
      emptyLog();
    },
    tendLog() {
      let bytes = 0;
      try {
        bytes = statSync(logPath).size;
      } catch {
        // Gone or out of reach: the next transaction says so.
      }
      if (bytes > LOG_KEPT_BYTES) emptyLog();
    },
    dataVersion,
    close: () => db.close(),
  };
}

function replaced(path: string): LeaseError {
  return new LeaseError(
    "BACKEND_UNAVAILABLE",
    `The lease database ${JSON.stringify(path)} was deleted, moved or replaced while it was open. Put it back, or close this backend and open it again.`,
  );
}

function damaged(path: string): LeaseError {
  return new LeaseError(
    "BACKEND_CORRUPT",
    `The lease database ${JSON.stringify(path)} has lost its head row: restore it from a backup.`,
  );
}

function otherBoot(path: string): LeaseError {
  return new LeaseError(
    "BACKEND_INCOMPATIBLE",
    `The lease database ${JSON.stringify(path)} is now used under another clock (another boot, machine or time namespace), so nobody can tell how old a lease is. Let one machine use it, and open it again.`,
  );
}

function otherSchema(path: string, version: number): LeaseError {
  return new LeaseError(
    "BACKEND_INCOMPATIBLE",
    `The lease database ${JSON.stringify(path)} was taken to schema version ${version} by a newer @lease/sqlite while it was open: update this process too.`,
  );
}
