/** The tables, and how an older file becomes a newer one. */
import { createLeaseId, LeaseError, type LeaseEventType } from "@lease/core";
import { eventNumber, idKey, shortTimes } from "./codec.js";
import type { Connection } from "./driver.js";

/** Marks a database as ours (`PRAGMA application_id`): "Leas" in ASCII. */
export const APPLICATION_ID = 0x4c656173;

/** One step forward. It runs in a write transaction; throwing undoes it. */
export type Migration = (db: Connection) => void;

/**
 * Step n takes a file of version n to version n + 1. Steps are only ever appended: a file of any age walks through
 * those that it lacks, and `PRAGMA user_version` says how far it came.
 */
export const MIGRATIONS: readonly Migration[] = [create, nameAgents, shorten];

/**
 * Version 1.
 *
 * What is alive stands in one B-tree, whatever it is looked up by, so that a step on a small database dirties one
 * page of it and one of the history: on disk, pages are what a step costs. The history takes its numbers from the
 * fencing tokens' counter, so the newest entry is the counter.
 */
function create(db: Connection): void {
  db.exec(`
    CREATE TABLE meta (
      only_row       INTEGER PRIMARY KEY CHECK (only_row = 1),
      epoch          TEXT NOT NULL,     -- of the history: made anew with the file
      boot_id        TEXT NOT NULL,     -- in which expires and forget_at count
      schema_version INTEGER NOT NULL,  -- read in every step; a pragma would cost more
      pruned_through INTEGER NOT NULL   -- sequence of the newest history entry that was pruned
    ) STRICT;

    CREATE TABLE live (
      kind     INTEGER NOT NULL,        -- 0 a lease, 1 a claim, 2 a claim on a subtree, 3 a place in line
      key      TEXT NOT NULL,           -- id, resource, base of the subtree, ''
      token    INTEGER NOT NULL,        -- of the lease
      mode     INTEGER,                 -- of a claim: 0 shared, 1 exclusive
      state    INTEGER,                 -- of a lease: 0 pending, 1 active
      expires  INTEGER,                 -- of a lease: ms of the boot's clock
      given_ms INTEGER,                 -- of a lease: time that expires was last set to lie ahead
      body     TEXT NOT NULL,           -- of a lease: the rest of it, see codec.ts; of all others: its id
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

    CREATE TABLE history (              -- a row for each transaction that had something to tell
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

/**
 * Version 2. A lease's row names its agent in a column, which `indexAgents` makes an index of once that pays. An id,
 * which is in every row of its lease, is written in 22 characters instead of 36, see codec.ts.
 */
function nameAgents(db: Connection): void {
  db.function("id_key", { deterministic: true }, (id) => idKey(id as string));
  db.exec(`
    ALTER TABLE live ADD COLUMN agent TEXT;   -- of a lease
    UPDATE live SET key = id_key(key), agent = body ->> '$[0]' WHERE kind = 0;
    UPDATE live SET body = id_key(body) WHERE kind <> 0;
  `);
}

/**
 * Version 3. A lease's times, and in the history its id and the type of the event, are written as codec.ts says. What
 * is no JSON stays as it is, for whoever reads it to be told.
 */
function shorten(db: Connection): void {
  db.function("short_body", { deterministic: true }, (body, token) =>
    JSON.stringify(shortBody(JSON.parse(body as string), token as number)),
  );
  db.function("short_events", { deterministic: true }, (events) => {
    const items = JSON.parse(events as string) as [
      LeaseEventType,
      string,
      number,
      number,
      OldBody,
      ...unknown[],
    ][];
    const short = items.map(([type, id, token, leftMs, body, ...act]) => [
      eventNumber(type),
      idKey(id),
      token,
      leftMs,
      shortBody(body, token),
      ...act,
    ]);
    return JSON.stringify(short);
  });
  db.exec(`
    UPDATE live SET body = short_body(body, token) WHERE kind = 0 AND json_valid(body);
    UPDATE history SET events = short_events(events) WHERE json_valid(events);
  `);
}

type OldBody = [
  agentId: string,
  claims: unknown,
  ttlMs: number,
  requestedWall: number,
  acquiredWall: number | null,
  ...unknown[],
];

function shortBody([agentId, claims, ttlMs, requestedWall, acquiredWall, ...rest]: OldBody, token: number) {
  return [agentId, claims, ttlMs, ...shortTimes(token, requestedWall, acquiredWall), ...rest];
}

/**
 * An agent's leases are found by a scan as long as there are few of all agents: an index would cost each step a page
 * more. Who scanned many makes it, for all that use the file.
 */
export function indexAgents(db: Connection): void {
  db.exec("CREATE INDEX IF NOT EXISTS live_by_agent ON live (agent, token) WHERE agent IS NOT NULL");
}

/**
 * Takes the file to the newest version, inside the caller's write transaction.
 *
 * @throws `BACKEND_INCOMPATIBLE` when the file is of a newer version than this program knows
 */
export function migrate(db: Connection, path: string, migrations: readonly Migration[] = MIGRATIONS): void {
  const from = Number(db.pragma("user_version", { simple: true }));
  refuseNewerSchema(from, path, migrations.length);
  if (from === migrations.length) return;
  for (const step of migrations.slice(from)) step(db);
  db.pragma(`user_version = ${migrations.length}`);
  db.prepare("UPDATE meta SET schema_version = ?").run(migrations.length);
}

/** @throws `BACKEND_INCOMPATIBLE` for a version that only a newer program knows */
function refuseNewerSchema(version: number, path: string, known: number): void {
  if (version <= known) return;
  throw new LeaseError(
    "BACKEND_INCOMPATIBLE",
    `${JSON.stringify(path)} has schema version ${version}, this @lease/sqlite knows up to ${known}: update @lease/sqlite in every process that uses the file.`,
  );
}

/**
 * Whether a database is ours to write: ours already, or empty.
 *
 * @throws `BACKEND_CORRUPT` for somebody else's database, `BACKEND_INCOMPATIBLE` for a newer version of ours
 */
export function refuseForeign(db: Connection, path: string, known: number): void {
  const application = db.pragma("application_id", { simple: true });
  const version = Number(db.pragma("user_version", { simple: true }));
  if (application === APPLICATION_ID) {
    refuseNewerSchema(version, path, known);
    return;
  }
  const isEmpty = db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
  if (application === 0 && version === 0 && isEmpty) return;
  throw new LeaseError(
    "BACKEND_CORRUPT",
    `${JSON.stringify(path)} is an SQLite database, but not a lease database; it was not touched. Choose another path.`,
  );
}
