/**
 * Opens the file: refuses what is not a lease database on a local disk before anything is written, brings the schema
 * up to date, and gives leases of an earlier boot their time again. Any step may find the file busy; the caller then
 * opens again from the start.
 */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { LeaseError } from "@lease/core";
import type { BootClock } from "./clock.js";
import { type Connection, loadDriver } from "./driver.js";
import { isHotJournal } from "./errors.js";
import { type FileSystemTypeOf, identify, isStill, refuseNetworkFileSystem } from "./file.js";
import { Reserve } from "./reserve.js";
import { MIGRATIONS, type Migration, migrate, refuseForeign } from "./schema.js";
import { type Head, prepareStatements, type Statements } from "./statements.js";

export interface OpenOptions {
  /** Absolute. */
  readonly path: string;
  readonly synchronous: "NORMAL" | "FULL";
  readonly endMemoryMs: number;
  readonly clock: BootClock;
  /** For tests. */
  readonly fileSystemTypeOf?: FileSystemTypeOf | undefined;
  /** For tests: gets the connection once it is open. */
  readonly onOpen?: ((db: Connection) => void) | undefined;
  /** For tests. */
  readonly migrations?: readonly Migration[] | undefined;
}

/** An open lease database. */
export interface LeaseDatabase {
  readonly statements: Statements;
  readonly logPath: string;
  /**
   * The head of the file, once it is sure that the file is still the one that was opened, in the same boot and
   * schema.
   *
   * @throws `BACKEND_UNAVAILABLE` or `BACKEND_INCOMPATIBLE` when it is not
   */
  check(): Head;
  /** Whether the file and its log are still those that were opened. */
  isInPlace(): boolean;
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

/** SQLite sleeps this long itself when another connection writes: longer, and the event loop stands still. */
const BLOCKING_WAIT_MS = 2;
const ONE_PAGE_BYTES = 4096;
/** What was looked at within this time need not be looked at again: a look costs as much as a step. */
const LOOK_AGAIN_MS = 5;
/** The log is cut back to this size once it could be emptied. */
const LOG_KEPT_BYTES = 16 * 1024 * 1024;

export async function openDatabase(options: OpenOptions): Promise<LeaseDatabase> {
  const { path } = options;
  const Driver = await loadDriver();
  if (identify(dirname(path)) === null) throw missingFolder(path);
  refuseNetworkFileSystem(path, options.fileSystemTypeOf);
  const known = (options.migrations ?? MIGRATIONS).length;
  let db: Connection | undefined;
  try {
    const found = identify(path);
    if (found !== null) {
      if (!found.isFile) throw noFile(path);
      lookBeforeWriting(new Driver(path, { readonly: true, timeout: BLOCKING_WAIT_MS }), path, known);
    }
    db = new Driver(path, { timeout: BLOCKING_WAIT_MS });
    prepareFile(db, options);
    options.onOpen?.(db);
    return databaseOf(db, options, known);
  } catch (error) {
    db?.close();
    throw error;
  }
}

/** A connection that may write would, when it closes, also write into somebody else's database. */
function lookBeforeWriting(reader: Connection, path: string, known: number): void {
  try {
    reader.exec("BEGIN");
    refuseForeign(reader, path, known);
  } catch (error) {
    // Somebody makes this file at this moment, or died when about to: there is nothing in it yet to be careful with.
    const isBeingMade = isHotJournal(error) && statSync(path).size <= ONE_PAGE_BYTES;
    if (!isBeingMade) throw error;
  } finally {
    reader.close();
  }
}

function prepareFile(db: Connection, options: OpenOptions): void {
  const { path, synchronous } = options;
  const mode = db.pragma("journal_mode = WAL", { simple: true });
  if (mode !== "wal") {
    throw new LeaseError(
      "BACKEND_INCOMPATIBLE",
      `${JSON.stringify(path)} cannot have a write-ahead log (SQLite answered "${mode}"): put it on a local disk.`,
    );
  }
  db.pragma(`journal_size_limit = ${LOG_KEPT_BYTES}`);
  db.exec("BEGIN IMMEDIATE");
  try {
    refuseForeign(db, path, (options.migrations ?? MIGRATIONS).length);
    migrate(db, path, options.migrations);
    enterBoot(db, options);
    db.exec("COMMIT");
  } catch (error) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
  // Only now: this build sets it back to NORMAL at the first use of a database with a write-ahead log.
  db.pragma(`synchronous = ${synchronous}`);
}

function databaseOf(db: Connection, options: OpenOptions, schemaVersion: number): LeaseDatabase {
  const { path, clock } = options;
  const logPath = `${path}-wal`;
  const opened = identify(path);
  const openedLog = identify(logPath);
  if (opened === null || openedLog === null) throw replaced(path);
  const statements = prepareStatements(db);
  const bootId = clock.bootId();
  const reserve = new Reserve(`${path}-reserve`);
  const emptyLog = () => {
    try {
      db.pragma("wal_checkpoint(TRUNCATE)");
    } catch {
      // Somebody reads or writes, or there is no room for it: another time.
    }
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
    isInPlace,
    check() {
      // The look at the end of each transaction does for the next, if that comes soon.
      if (performance.now() - lookedAt >= LOOK_AGAIN_MS && !isInPlace()) throw replaced(path);
      const head = statements.head.get();
      if (head === undefined) throw damaged(path);
      if (head.boot_id !== bootId || clock.bootId() !== bootId) throw otherBoot(path);
      if (head.schema_version !== schemaVersion) throw otherSchema(path, head.schema_version);
      return head;
    },
    rollback() {
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
      if ((statSync(logPath, { throwIfNoEntry: false })?.size ?? 0) > LOG_KEPT_BYTES) emptyLog();
    },
    dataVersion: () => statements.dataVersion.get() as number,
    close: () => db.close(),
  };
}

/**
 * The clock counts from the boot on. In a new one nobody knows how much time has passed, so every lease gets the time
 * that it was last given once more: longer than promised, never shorter.
 */
function enterBoot(db: Connection, { clock, endMemoryMs }: OpenOptions): void {
  const bootId = clock.bootId();
  const stored = db.prepare("SELECT boot_id FROM meta").pluck().get();
  // Also where it is the same: a file that may only be read is noticed at the first write, and should be here.
  db.prepare("UPDATE meta SET boot_id = ?").run(bootId);
  if (stored === bootId) return;
  const now = Math.floor(clock.now());
  db.prepare("UPDATE live SET expires = ? + given_ms WHERE kind = 0").run(now);
  db.prepare("UPDATE ended SET forget_at = ?").run(now + endMemoryMs);
}

function replaced(path: string): LeaseError {
  return new LeaseError(
    "BACKEND_UNAVAILABLE",
    `The lease database ${JSON.stringify(path)} was deleted, moved or replaced while it was open. Put it back, or close this backend and open it again.`,
  );
}

function missingFolder(path: string): LeaseError {
  return new LeaseError(
    "BACKEND_UNAVAILABLE",
    `The folder of the lease database ${JSON.stringify(path)} does not exist: create it (or mount it) first.`,
  );
}

function noFile(path: string): LeaseError {
  return new LeaseError(
    "BACKEND_UNAVAILABLE",
    `The lease database ${JSON.stringify(path)} cannot be opened: there is something else of that name, not a file.`,
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
