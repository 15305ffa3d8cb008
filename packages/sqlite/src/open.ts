/**
 * Opens the file: refuses what is not a lease database on a local disk before anything is written, brings the schema
 * up to date, and gives leases of an earlier boot their time again. Any step may find the file busy; the caller then
 * opens again from the start.
 */
import { closeSync, openSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { type Clock, LeaseError } from "@lease/core";
import { LeaseDatabase, LOG_KEPT_BYTES } from "./database.js";
import { type Connection, loadDriver } from "./driver.js";
import { isHotJournal } from "./errors.js";
import { DatabaseFiles, OWNER_ONLY, statOf } from "./files.js";
import { checkFile, checkFolder, type FileSystem, SYSTEM } from "./place.js";
import { MIGRATIONS, type Migration, migrate, refuseForeign } from "./schema.js";

export interface OpenOptions {
  /** Absolute. */
  readonly path: string;
  readonly synchronous: "NORMAL" | "FULL";
  readonly endMemoryMs: number;
  readonly clock: Clock;
  readonly bootId: () => string;
}

/** What tests put in place of parts of the machine. */
export interface OpenSeams {
  readonly fileSystem?: Partial<FileSystem>;
  readonly migrations?: readonly Migration[];
  /** Gets the connection once it is open. */
  readonly onOpen?: (db: Connection) => void;
}

/** SQLite sleeps this long itself when another connection writes: longer, and the event loop stands still. */
const BLOCKING_WAIT_MS = 2;
const ONE_PAGE_BYTES = 4096;

export async function openDatabase(options: OpenOptions, seams: OpenSeams): Promise<LeaseDatabase> {
  const { path, bootId } = options;
  const { migrations = MIGRATIONS, onOpen } = seams;
  const system = { ...SYSTEM, ...seams.fileSystem };
  const Driver = await loadDriver();
  if (statOf(dirname(path)) === undefined) throw missingFolder(path);
  const real = followLinks(path);
  checkFolder(path, dirname(real), system);
  const found = statOf(path) ?? create(real);
  checkFile(path, real, found, system);
  checkBeforeWriting(
    new Driver(real, { readonly: true, timeout: BLOCKING_WAIT_MS }),
    path,
    migrations.length,
  );
  const db = new Driver(real, { timeout: BLOCKING_WAIT_MS });
  try {
    prepareFile(db, options, migrations);
    onOpen?.(db);
    return new LeaseDatabase(db, new DatabaseFiles(path, real, found), bootId, migrations.length);
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Where a path leads, also when there is no file yet. */
function followLinks(path: string): string {
  const folder = realpathSync(dirname(path));
  const here = join(folder, basename(path));
  let target: string;
  try {
    target = readlinkSync(here);
  } catch {
    return here;
  }
  return followLinks(resolve(folder, target));
}

/** An empty file, which is private from the first moment on: SQLite would make it as the umask says. */
function create(real: string) {
  try {
    // Closing it drops no lock, see files.ts: no connection of this process is open on what did not exist a moment ago.
    closeSync(openSync(real, "wx", OWNER_ONLY));
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return statSync(real);
}

/** A connection that may write would, when it closes, also write into another program's database. */
function checkBeforeWriting(reader: Connection, path: string, known: number): void {
  try {
    reader.exec("BEGIN");
    refuseForeign(reader, path, known);
  } catch (error) {
    // Its maker is at work at this moment, or died when about to: there is nothing in it yet to be careful with.
    const isBeingMade = isHotJournal(error) && statSync(path).size <= ONE_PAGE_BYTES;
    if (!isBeingMade) throw error;
  } finally {
    reader.close();
  }
}

function prepareFile(db: Connection, options: OpenOptions, migrations: readonly Migration[]): void {
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
    refuseForeign(db, path, migrations.length);
    migrate(db, migrations);
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
 * The clock counts from the boot on. In a new one it is not known how much time has passed, so every lease gets the time
 * that it was last given once more: longer than promised, never shorter.
 */
function enterBoot(db: Connection, { clock, bootId, endMemoryMs }: OpenOptions): void {
  const boot = bootId();
  const stored = db.prepare("SELECT boot_id FROM meta").pluck().get();
  // Also where it is the same: a file that may only be read is noticed at the first write, and should be here.
  db.prepare("UPDATE meta SET boot_id = ?").run(boot);
  if (stored === boot) return;
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
