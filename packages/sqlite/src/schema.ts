/** The tables, and how an older file becomes a newer one. */
import { createLeaseId, LeaseError } from "@lease/core";
import type { Connection } from "./driver.js";

/** Marks a database as ours (`PRAGMA application_id`): "Leas" in ASCII. */
export const APPLICATION_ID = 0x4c656173;

/** One step forward. It runs in a write transaction; throwing undoes it. */
export type Migration = (db: Connection) => void;

/**
 * Step n takes a file of version n to version n + 1. Steps are only ever appended: a file of any age walks through
 * those that it lacks, and `PRAGMA user_version` says how far it came.
 */
export const MIGRATIONS: readonly Migration[] = [create];

/**
 * Version 1.
 *
 * What is alive is in one B-tree, whatever it is looked up by, so that a step on a small database dirties one page of it
 * and one of the history: on disk, pages are what a step costs. The history takes its numbers from the fencing tokens'
 * counter, so the newest entry is the counter.
 */
function create(db: Connection): void {
  db.exec(`
    CREATE TABLE meta (
      only_row       INTEGER PRIMARY KEY CHECK (only_row = 1),
      epoch          TEXT NOT NULL,     -- of the history: new with the file
      boot_id        TEXT NOT NULL,     -- in which expires and forget_at count
      schema_version INTEGER NOT NULL,  -- read in every step; a pragma would cost more
      pruned_through INTEGER NOT NULL   -- sequence of the newest history entry that was pruned
    ) STRICT;

    CREATE TABLE live (
      kind     INTEGER NOT NULL,        -- 0 a lease, 1 a claim, 2 a claim on a subtree, 3 a queued request
      key      TEXT NOT NULL,           -- id (see idKey in codec.ts), resource, base of the subtree, ''
      token    INTEGER NOT NULL,        -- of the lease
      mode     INTEGER,                 -- of a claim: 0 shared, 1 exclusive
      state    INTEGER,                 -- of a lease: 0 pending, 1 active
      expires  INTEGER,                 -- of a lease: ms of the boot's clock
      given_ms INTEGER,                 -- of a lease: how far ahead expires was last set
      body     TEXT NOT NULL,           -- of a lease: the rest of it, see codec.ts; of all others: its id
      agent    TEXT,                    -- of a lease
      PRIMARY KEY (kind, key, token)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE ended (                -- ids that had their one life
      id        TEXT PRIMARY KEY,
      agent     TEXT NOT NULL,
      how       TEXT NOT NULL,
      by        TEXT,
      reason    TEXT,
      forget_at INTEGER NOT NULL        -- ms of the boot's clock
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE history (              -- a row for each transaction that brought events
      sequence INTEGER PRIMARY KEY,     -- of its last event; the newest row is never deleted, it is the counter
      count    INTEGER NOT NULL,        -- of its events, which are numbered without a gap
      wall     INTEGER NOT NULL,        -- when, in ms since 1970
      events   TEXT NOT NULL            -- see codec.ts
    ) STRICT;
  `);
  db.prepare(
    "INSERT INTO meta (only_row, epoch, boot_id, schema_version, pruned_through) VALUES (1, ?, '', 1, 0)",
  ).run(createLeaseId());
  db.pragma(`application_id = ${APPLICATION_ID}`);
}

/** Takes the file to the newest version, inside the caller's write transaction. */
export function migrate(db: Connection, migrations: readonly Migration[]): void {
  const from = Number(db.pragma("user_version", { simple: true }));
  if (from === migrations.length) return;
  for (const step of migrations.slice(from)) step(db);
  db.pragma(`user_version = ${migrations.length}`);
  db.prepare("UPDATE meta SET schema_version = ?").run(migrations.length);
}

/**
 * Whether a database is ours to write: ours already, or empty.
 *
 * @param known - the newest version that this program knows
 * @throws `BACKEND_CORRUPT` for another program's database, `BACKEND_INCOMPATIBLE` for a newer version of ours
 */
export function refuseForeign(db: Connection, path: string, known: number): void {
  const application = db.pragma("application_id", { simple: true });
  const version = Number(db.pragma("user_version", { simple: true }));
  const isEmpty = () => db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  if (application !== APPLICATION_ID && !(application === 0 && version === 0 && isEmpty())) {
    throw new LeaseError(
      "BACKEND_CORRUPT",
      `${JSON.stringify(path)} is an SQLite database, but not a lease database; it was not touched. Choose another path.`,
    );
  }
  if (version > known) {
    throw new LeaseError(
      "BACKEND_INCOMPATIBLE",
      `${JSON.stringify(path)} has schema version ${version}, this @lease/sqlite knows up to ${known}: update @lease/sqlite in every process that uses the file.`,
    );
  }
}
