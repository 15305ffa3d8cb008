/** Files of older versions walk forward; what a newer program left is not touched. */
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSqliteBackend } from "../src/backend.js";
import { APPLICATION_ID, MIGRATIONS, type Migration } from "../src/schema.js";
import { newFolder } from "./folder.js";
import { expectError, held, hold, request } from "./requests.js";

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
