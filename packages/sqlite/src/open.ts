/**
 * Opens the file: refuses what is not a lease database on a local disk before anything is written, brings the schema
 * up to date, and gives leases of an earlier boot their time again. Any step may find the file busy; the caller then
 * opens again from the start.
 */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { LeaseError } from "@lease/core";
import type { BootClock } from "./clock.js";
import { type LeaseDatabase, LOG_KEPT_BYTES, leaseDatabase } from "./database.js";
import { type Connection, loadDriver } from "./driver.js";
import { isHotJournal } from "./errors.js";
import { type FileSystemTypeOf, identify, refuseNetworkFileSystem } from "./file.js";
import { MIGRATIONS, type Migration, migrate, refuseForeign } from "./schema.js";

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

/** SQLite sleeps this long itself when another connection writes: longer, and the event loop stands still. */
const BLOCKING_WAIT_MS = 2;
const ONE_PAGE_BYTES = 4096;

export async function openDatabase(options: OpenOptions): Promise<LeaseDatabase> {
  const { path } = options;
  const Driver = await loadDriver();
  if (identify(dirname(path)) === null) throw missingFolder(path);
  refuseNetworkFileSystem(path, options.fileSystemTypeOf);
  const known = (options.migrations ?? MIGRATIONS).length;
  const found = identify(path);
  let db: Connection | undefined;
  try {
    if (found !== null) {
      if (!found.isFile) throw noFile(path);
      lookBeforeWriting(new Driver(path, { readonly: true, timeout: BLOCKING_WAIT_MS }), path, known);
    }
    db = new Driver(path, { timeout: BLOCKING_WAIT_MS });
    prepareFile(db, options);
    options.onOpen?.(db);
    return leaseDatabase(db, { path, clock: options.clock, schemaVersion: known, found });
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
