/** Files of older versions walk forward; what a newer program left is not touched. */
import { createLeaseId, type Lease } from "@lease/core";
import type { LeaseQuery } from "@lease/core/backend";
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

/** A file as the program of version 1 left it: with a lease of two claims, and one in line behind it. */
function makeVersion1(): { holder: string; waiter: string } {
  const [holder, waiter] = [createLeaseId(), createLeaseId()];
  const db = new Database(folder.file());
  db.pragma("journal_mode = WAL");
  MIGRATIONS[0]?.(db);
  db.pragma("user_version = 1");
  const live = db.prepare(
    "INSERT INTO live (kind, key, token, mode, state, expires, given_ms, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const wall = 1_790_000_000_000;
  const held = `["alice",["src",1,"docs/**",0],60000,${wall},${wall + 250},2,5,["${waiter}"],"rename",{"task":7},null]`;
  const inLine = `["bob \\"b\\"",["docs/a.md",1],30000,${wall},null,0,null,[],null,null,null]`;
  live.run(0, holder, 11, null, 1, 100, 60_000, held);
  live.run(1, "src", 11, 1, null, null, null, holder);
  live.run(2, "docs", 11, 0, null, null, null, holder);
  live.run(0, waiter, 12, null, 0, 100, 15_000, inLine);
  live.run(1, "docs/a.md", 12, 1, null, null, null, waiter);
  live.run(3, "", 12, null, null, null, null, waiter);
  const events = `[["acquired","${holder}",11,60000,${held}],["queued","${waiter}",12,15000,${inLine}]]`;
  db.prepare("INSERT INTO history (sequence, count, wall, events) VALUES (12, 2, ?, ?)").run(wall, events);
  db.close();
  return { holder, waiter };
}

test("a file of version 1 keeps its leases, its line and its history", async () => {
  const { holder, waiter } = makeVersion1();
  const backend = createSqliteBackend({ path: folder.file() });
  const { leases } = await backend.list({});
  expect(leases).toMatchObject([
    {
      id: holder,
      agentId: "alice",
      token: 11,
      requestedAt: "2026-09-21T14:13:20.000Z",
      acquiredAt: "2026-09-21T14:13:20.250Z",
      state: "active",
      claims: [
        { resource: "src", mode: "exclusive" },
        { resource: "docs/**", mode: "shared" },
      ],
      renewals: 2,
      maxRenewals: 5,
      holding: [waiter],
      reason: "rename",
      metadata: { task: 7 },
    },
    {
      id: waiter,
      agentId: 'bob "b"',
      token: 12,
      state: "pending",
      acquiredAt: null,
      renewals: 0,
      holding: [],
    },
  ]);
  const idsOf = async (query: LeaseQuery) => (await backend.list(query)).leases.map(({ id }) => id);
  expect(await idsOf({ agentId: "alice" })).toEqual([holder]);
  expect(await idsOf({ agentId: 'bob "b"' })).toEqual([waiter]);
  expect(await idsOf({ state: "pending" })).toEqual([waiter]);
  const events: unknown[] = [];
  for await (const { type, lease } of backend.changes({}))
    events.push([type, lease.id, lease.acquiredAt, lease.reason]);
  expect(events).toEqual([
    ["acquired", holder, "2026-09-21T14:13:20.250Z", "rename"],
    ["queued", waiter, null, null],
  ]);

  const asked = { id: waiter, agentId: 'bob "b"', ttlMs: 30_000, wait: "queue" as const };
  expect(await backend.acquire(request("docs/a.md", asked))).toMatchObject({ blockers: [{ id: holder }] });
  expect(await release(backend, leases[0] as Lease)).toBe("released");
  const granted = await backend.acquire(request("docs/a.md", asked));
  expect(granted).toMatchObject({ status: "granted", lease: { token: 12 } });
  expect(await release(backend, leases[1] as Lease)).toBe("released");
  await backend.close();

  const db = new Database(folder.file());
  expect(db.prepare("SELECT count(*) FROM live").pluck().get()).toBe(0);
  db.close();
  expect(inspect()).toMatchObject({ version: MIGRATIONS.length, integrity: "ok" });
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
