/** The history as others meet it: restored, pruned, and read while it grows. */
import { copyFileSync, rmSync, statSync } from "node:fs";
import type { LeaseBackend, LeaseEvent } from "@lease/core";
import { simulatedClock } from "@lease/testing";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSqliteBackend } from "../src/backend.js";
import { newFolder } from "./folder.js";
import { expectError, hold, release } from "./requests.js";

let folder: ReturnType<typeof newFolder>;

beforeEach(() => {
  folder = newFolder();
});

afterEach(() => folder.remove());

async function events(backend: LeaseBackend, after?: string): Promise<LeaseEvent[]> {
  const read: LeaseEvent[] = [];
  for await (const event of backend.changes({ after })) read.push(event);
  return read;
}

test("a cursor from before a restore is refused, also when the restored file grew past it", async () => {
  const clock = simulatedClock();
  const before = createSqliteBackend({ path: folder.file(), clock });
  await hold(before, "a.ts");
  await before.close();
  copyFileSync(folder.file(), folder.file("backup.db"));

  const lost = createSqliteBackend({ path: folder.file(), clock });
  await clock.advance(1000);
  await hold(lost, "b.ts");
  const cursor = (await events(lost)).at(-1)?.cursor as string;
  await lost.close();
  for (const suffix of ["", "-wal", "-shm"]) rmSync(folder.file() + suffix, { force: true });
  copyFileSync(folder.file("backup.db"), folder.file());

  const restored = createSqliteBackend({ path: folder.file(), clock });
  await expectError(events(restored, cursor), "CURSOR_EXPIRED", /past the end/);
  await clock.advance(1000);
  const lease = await hold(restored, "c.ts");
  await release(restored, lease);
  await expectError(events(restored, cursor), "CURSOR_EXPIRED", /its entry is gone/);
  expect(await events(restored, (await events(restored))[0]?.cursor)).toHaveLength(2);
  await restored.close();
});

test("a new database is another history", async () => {
  const first = createSqliteBackend({ path: folder.file() });
  await hold(first, "a.ts");
  const cursor = (await events(first)).at(-1)?.cursor as string;
  await first.close();
  const second = createSqliteBackend({ path: folder.file("other.db") });
  await expectError(events(second, cursor), "CURSOR_EXPIRED", /another history/);
  await second.close();
});

test("tokens keep growing after everything was released and pruned, also with the wall clock set back", async () => {
  const clock = simulatedClock();
  let last = 0;
  for (let round = 0; round < 5; round += 1) {
    const backend = createSqliteBackend({ path: folder.file(), clock });
    const lease = await hold(backend, "a.ts");
    expect(lease.token).toBeGreaterThan(last);
    last = lease.token;
    await release(backend, lease);
    await clock.advance(10);
    expect((await backend.sweep({ historyRetentionMs: 0 })).pruned).toBe(2);
    expect(await events(backend)).toEqual([]);
    clock.stepWall(-3_600_000);
    await backend.close();
  }
  const db = new Database(folder.file());
  expect(db.prepare("SELECT count(*) FROM history").pluck().get()).toBe(1);
  db.close();
});

test("a sweep prunes a bounded stretch at a time, and the next goes on", async () => {
  const clock = simulatedClock();
  const backend = createSqliteBackend({ path: folder.file(), clock });
  const lease = await hold(backend, "a.ts");
  const db = new Database(folder.file());
  // More rows than one sweep takes, of two events each: copies of the first, as far as a sweep looks at them.
  db.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10500)
    INSERT INTO history SELECT h.sequence + 2 * n.i, 2, h.wall, h.events FROM history h, n`);
  db.close();
  await clock.advance(1000);
  const sweep = () => backend.sweep({ historyRetentionMs: 0 });
  expect(await sweep()).toEqual({ expired: [], pruned: 19_999, more: true });
  expect(await sweep()).toEqual({ expired: [], pruned: 1002, more: false });
  expect(await sweep()).toEqual({ expired: [], pruned: 0, more: false });
  expect((await hold(backend, "b.ts")).token).toBeGreaterThan(lease.token + 21_000);
  await backend.close();
});

test("a sweep that finds nothing takes no write lock", async () => {
  const backend = createSqliteBackend({ path: folder.file(), busyTimeoutMs: 100 });
  await hold(backend, "a.ts");
  const other = new Database(folder.file());
  other.exec("BEGIN IMMEDIATE");
  expect(await backend.sweep({ historyRetentionMs: 3_600_000 })).toEqual({
    expired: [],
    pruned: 0,
    more: false,
  });
  other.exec("ROLLBACK");
  other.close();
  await backend.close();
});

test("the log is cut back after a reader let it grow", async () => {
  const backend = createSqliteBackend({ path: folder.file() });
  await hold(backend, "first.ts");
  const reader = new Database(folder.file(), { readonly: true });
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM live").get();
  const logSize = () => statSync(folder.file("leases.db-wal")).size;
  const work = async (times: number) => {
    for (let count = 0; count < times; count += 1) {
      const lease = await hold(backend, "big.ts", {
        reason: "r".repeat(1000),
        metadata: { m: "x".repeat(3000) },
      });
      await release(backend, lease);
    }
  };
  while (logSize() < 20 * 1024 * 1024) await work(50);
  reader.close();
  await work(300);
  expect(logSize()).toBeLessThan(17 * 1024 * 1024);
  await backend.close();
});
