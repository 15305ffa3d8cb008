/** Files of older versions walk forward; what a newer program left is not touched. */
import { LEASE_EVENT_TYPES, type Lease, type LeaseEvent } from "@lease/core";
import type { LeaseQuery } from "@lease/core/backend";
import { simulatedClock } from "@lease/testing";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSqliteBackend } from "../src/backend.js";
import { APPLICATION_ID, MIGRATIONS, type Migration } from "../src/schema.js";
import { newFolder } from "./folder.js";
import { expectError, held, hold, release, request } from "./requests.js";

let folder: ReturnType<typeof newFolder>;

beforeEach(() => {
  folder = newFolder();
});

afterEach(() => folder.remove());

/** A made-up next version. */
const addColour: Migration = (db) => db.exec("ALTER TABLE ended ADD COLUMN colour TEXT");
const nextVersion = { migrations: [...MIGRATIONS, addColour] };

function inspect(): { application: unknown; version: unknown; integrity: unknown; mode: unknown } {
  const db = new Database(folder.file());
  const pragma = (name: string) => db.pragma(name, { simple: true });
  const found = {
    application: pragma("application_id"),
    version: pragma("user_version"),
    integrity: pragma("integrity_check"),
    mode: pragma("journal_mode"),
  };
  db.close();
  return found;
}

test("a new file carries our mark and the newest version", async () => {
  const backend = createSqliteBackend({ path: folder.file() });
  await hold(backend, "src/app.ts");
  await backend.close();
  expect(inspect()).toEqual({
    application: APPLICATION_ID,
    version: MIGRATIONS.length,
    integrity: "ok",
    mode: "wal",
  });
});

test("an older file is taken forward with all that is in it, once", async () => {
  const older = createSqliteBackend({ path: folder.file() });
  const lease = await hold(older, "src/app.ts");
  await older.close();

  const newer = createSqliteBackend({ path: folder.file() }, nextVersion);
  expect((await newer.list({})).leases).toMatchObject([{ id: lease.id, token: lease.token }]);
  await newer.close();
  expect(inspect()).toMatchObject({ version: MIGRATIONS.length + 1, integrity: "ok" });

  const again = createSqliteBackend({ path: folder.file() }, nextVersion);
  expect(await held(again)).toEqual(["src/app.ts"]);
  await again.close();
});

const HOLDER = "01a21db4-2818-70ef-ad08-3ad0cd90ba93";
const WAITER = "01a21db4-2796-7e22-a9dc-78fb71e89ebd";
const WALL = 1_790_000_000_000;

/**
 * A file as the first release writes it, to the letter: a lease of two claims, renewed and about to be revoked, a request
 * queued behind it, an id that ended, and an event of each type. It must be read for as long as there is a version 1.
 */
function writeVersion1(): void {
  const db = new Database(folder.file());
  db.pragma("journal_mode = WAL");
  db.exec(`
    CREATE TABLE meta (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), epoch TEXT NOT NULL, boot_id TEXT NOT NULL,
      schema_version INTEGER NOT NULL, pruned_through INTEGER NOT NULL) STRICT;
    CREATE TABLE live (kind INTEGER NOT NULL, key TEXT NOT NULL, token INTEGER NOT NULL, mode INTEGER, state INTEGER,
      expires INTEGER, given_ms INTEGER, body TEXT NOT NULL, agent TEXT, PRIMARY KEY (kind, key, token)) STRICT, WITHOUT ROWID;
    CREATE TABLE ended (id TEXT PRIMARY KEY, agent TEXT NOT NULL, how TEXT NOT NULL, by TEXT, reason TEXT,
      forget_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE history (sequence INTEGER PRIMARY KEY, count INTEGER NOT NULL, wall INTEGER NOT NULL,
      events TEXT NOT NULL) STRICT;
    PRAGMA application_id = 1281712499;
    PRAGMA user_version = 1;
  `);
  const insert = (table: string, ...rows: unknown[][]) => {
    for (const row of rows) {
      db.prepare(`INSERT INTO ${table} VALUES (${row.map(() => "?").join()})`).run(row);
    }
  };
  const [holder, waiter, gone] = [
    "AaIdtCgYcO-tCDrQzZC6kw",
    "AaIdtCeWfiKp3Hj7ceievQ",
    "AaIdtCeXdqCCi4lwkeS-SQ",
  ];
  const [held, queued, ended] = [WALL * 1000 + 1, WALL * 1000 + 250_000, WALL * 1000];
  const heldAtFirst = `"alice",["src",1,"docs/**",0],60000,0,0`;
  const heldBody = `[${heldAtFirst},1,5,["${WAITER}"],"rename",{"task":7},["ops","deploy",55000]]`;
  const queuedBody = `["bob \\"b\\"",["docs/a.md",1],30000,0]`;
  const goneBody = `["carol",["gone",1],10,-1,1]`;
  insert("meta", [1, "01a21db4-27fe-763e-8e47-aa5bf27d5e40", "boot 1", 1, 0]);
  insert(
    "live",
    [0, waiter, queued, null, 0, 16_270, 15_000, queuedBody, 'bob "b"'],
    [0, holder, held, null, 1, 61_275, 60_000, heldBody, "alice"],
    [1, "docs/a.md", queued, 1, null, null, null, waiter, null],
    [1, "src", held, 1, null, null, null, holder, null],
    [2, "docs", held, 0, null, null, null, holder, null],
    [3, "", queued, null, null, null, null, waiter, null],
  );
  insert("ended", ["01a21db4-2882-767c-81d9-36bcb6d91125", "alice", "revoked", "ops", null, 61_275]);
  const events = [
    `[0,"${waiter}",${queued},15000,${queuedBody}]`,
    `[1,"${holder}",${held},60000,[${heldAtFirst},null,5]]`,
    `[2,"${holder}",${held},60000,[${heldAtFirst},1,5]]`,
    `[3,"${holder}",${held},60000,${heldBody},"ops","deploy"]`,
    ...[4, 5, 6, 7].map((type) => `[${type},"${gone}",${ended},10,${goneBody}]`),
  ];
  insert("history", [WALL * 1000 + 250_007, 8, WALL + 250, `[${events.join()}]`]);
  db.close();
}

test("a file of the first release is read and used as it is", async () => {
  writeVersion1();
  const clock = simulatedClock({ now: 2000, wallNow: WALL + 1000 });
  const backend = createSqliteBackend({ path: folder.file(), clock }, { bootId: () => "boot 1" });
  const { leases } = await backend.list({});
  expect(leases).toEqual([
    {
      id: HOLDER,
      agentId: "alice",
      token: WALL * 1000 + 1,
      state: "active",
      claims: [
        { resource: "src", mode: "exclusive" },
        { resource: "docs/**", mode: "shared" },
      ],
      ttlMs: 60_000,
      requestedAt: "2026-09-21T14:13:20.000Z",
      acquiredAt: "2026-09-21T14:13:20.000Z",
      expiresAt: "2026-09-21T14:14:20.275Z",
      expiresInMs: 59_275,
      renewals: 1,
      maxRenewals: 5,
      holding: [WAITER],
      reason: "rename",
      metadata: { task: 7 },
      revoking: { by: "ops", reason: "deploy", graceInMs: 4275 },
    },
    expect.objectContaining({
      id: WAITER,
      agentId: 'bob "b"',
      token: WALL * 1000 + 250_000,
      state: "pending",
      requestedAt: "2026-09-21T14:13:20.250Z",
      acquiredAt: null,
      expiresInMs: 14_270,
      renewals: 0,
      maxRenewals: null,
      holding: [],
      revoking: null,
    }),
  ]);
  const idsOf = async (query: LeaseQuery) => (await backend.list(query)).leases.map(({ id }) => id);
  expect(await idsOf({ agentId: "alice" })).toEqual([HOLDER]);
  expect(await idsOf({ resource: "docs/a.md" })).toEqual([HOLDER, WAITER]);
  expect(await idsOf({ state: "pending" })).toEqual([WAITER]);

  const events: LeaseEvent[] = [];
  for await (const event of backend.changes({})) events.push(event);
  expect(events.map(({ type }) => type)).toEqual([...LEASE_EVENT_TYPES]);
  expect(events[3]).toMatchObject({ by: "ops", reason: "deploy", lease: { id: HOLDER, maxRenewals: 5 } });
  expect(events[4]).toMatchObject({
    at: "2026-09-21T14:13:20.250Z",
    lease: {
      state: "released",
      requestedAt: "2026-09-21T14:13:19.999Z",
      acquiredAt: "2026-09-21T14:13:20.000Z",
    },
  });

  const ended = request("src", { id: "01a21db4-2882-767c-81d9-36bcb6d91125" });
  expect(await backend.acquire(ended)).toMatchObject({ status: "ended", end: "revoked", by: "ops" });
  const asked = request("docs/a.md", { id: WAITER, agentId: 'bob "b"', ttlMs: 30_000, wait: "queue" });
  expect(await backend.acquire(asked)).toMatchObject({ status: "refused", blockers: [{ id: HOLDER }] });
  expect(await release(backend, leases[0] as Lease)).toBe("released");
  expect(await backend.acquire(asked)).toMatchObject({
    status: "granted",
    lease: { token: WALL * 1000 + 250_000 },
  });
  expect((await hold(backend, "other")).token).toBeGreaterThan(WALL * 1000 + 250_007);
  await backend.close();
  expect(inspect()).toMatchObject({ version: 1, integrity: "ok" });
});

test("a step that fails leaves the file as it was", async () => {
  const older = createSqliteBackend({ path: folder.file() });
  await hold(older, "src/app.ts");
  await older.close();
  const failing: Migration = (db) => {
    addColour(db);
    throw new Error("power went out");
  };
  const broken = createSqliteBackend({ path: folder.file() }, { migrations: [...MIGRATIONS, failing] });
  await expect(broken.list({})).rejects.toThrow("power went out");
  await broken.close();
  expect(inspect()).toMatchObject({ version: MIGRATIONS.length, integrity: "ok" });
  const older2 = createSqliteBackend({ path: folder.file() });
  expect(await held(older2)).toEqual(["src/app.ts"]);
  await older2.close();
});

test("a program that runs on while a newer one takes the file forward is refused from then on", async () => {
  const older = createSqliteBackend({ path: folder.file() });
  await hold(older, "src/app.ts");
  const newer = createSqliteBackend({ path: folder.file() }, nextVersion);
  await hold(newer, "docs/readme.md");
  await expectError(older.acquire(request("b")), "BACKEND_INCOMPATIBLE", /newer @lease\/sqlite/);
  expect(await held(newer)).toEqual(["docs/readme.md", "src/app.ts"]);
  await older.close();
  await newer.close();
});

test("processes that open a new file together make one database", async () => {
  const backends = Array.from({ length: 8 }, () => createSqliteBackend({ path: folder.file() }));
  const results = await Promise.all(backends.map((backend) => backend.acquire(request("src/app.ts"))));
  expect(results.filter((result) => result.status === "granted")).toHaveLength(1);
  for (const backend of backends) await backend.close();
  expect(inspect()).toMatchObject({ integrity: "ok" });
});

test.each(["NORMAL", "FULL"] as const)(
  "synchronous %s is what the connection runs with",
  async (synchronous) => {
    for (const _ of ["a new file", "an existing file"]) {
      let found: unknown;
      const backend = createSqliteBackend(
        { path: folder.file(), synchronous },
        { onOpen: (db) => (found = () => db.pragma("synchronous", { simple: true })) },
      );
      await hold(backend, `src/${Math.random()}.ts`);
      expect((found as () => number)()).toBe({ NORMAL: 1, FULL: 2 }[synchronous]);
      await backend.close();
    }
  },
);
