/** A full disk stops new leases and nothing else. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { Lease, LeaseBackend } from "@lease/core";
import { isLeaseError } from "@lease/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSqliteBackend, type Seams } from "../src/backend.js";
import type { Connection } from "../src/driver.js";
import { newFolder } from "./folder.js";
import { expectError, held, hold, release, request } from "./requests.js";

let folder: ReturnType<typeof newFolder>;
let backend: LeaseBackend | undefined;

beforeEach(() => {
  folder = newFolder();
});

afterEach(async () => {
  await backend?.close();
  folder.remove();
});

function open(seams: Seams = {}): LeaseBackend {
  backend = createSqliteBackend({ path: folder.file() }, seams);
  return backend;
}

/** Takes leases until there is no room for another. */
async function fill(on: LeaseBackend): Promise<Lease[]> {
  const leases: Lease[] = [];
  for (let count = 0; count < 20_000; count += 1) {
    try {
      leases.push(await hold(on, `src/file-${count}.ts`, { reason: "r".repeat(1000) }));
    } catch (error) {
      expect(isLeaseError(error, "BACKEND_FULL")).toBe(true);
      return leases;
    }
  }
  throw new Error("never full");
}

test("no page left: acquire says so, nothing is lost, and room lets it go on", async () => {
  let db: Connection | undefined;
  const limit = (pages: number) => db?.pragma(`max_page_count = ${pages}`);
  const on = open({
    onOpen: (opened) => {
      db = opened;
      limit(60);
    },
  });
  const leases = await fill(on);
  expect(leases.length).toBeGreaterThan(10);
  expect(await held(on)).toHaveLength(leases.length);
  limit(100_000);
  await pause(1100);
  const more = await hold(on, "one-more.ts");
  expect(more.token).toBeGreaterThan(leases.at(-1)?.token ?? 0);
  for (const lease of leases) expect(await release(on, lease)).toBe("released");
});

test("full for one call of a group: the others of the group are carried out", async () => {
  let db: Connection | undefined;
  const on = open({
    onOpen: (opened) => {
      db = opened;
    },
  });
  const kept = await hold(on, "kept.ts");
  const released = await hold(on, "released.ts");
  const pages = Number(db?.pragma("page_count", { simple: true }));
  db?.pragma(`max_page_count = ${pages}`);
  const large = request("large.ts", { metadata: { blob: "x".repeat(4000) }, reason: "r".repeat(1000) });
  const { id, agentId, token } = kept;
  const [acquired, renewed, ended] = await Promise.allSettled([
    on.acquire(large),
    on.renew([{ id, agentId, token }]),
    release(on, released),
  ]);
  expect(acquired).toMatchObject({ status: "rejected", reason: { code: "BACKEND_FULL" } });
  expect(renewed).toMatchObject({ status: "fulfilled", value: [{ status: "renewed" }] });
  expect(ended).toMatchObject({ status: "fulfilled", value: "released" });
});

test("a disk that is really full: new leases are refused, those held are renewed and released", async ({
  skip,
}) => {
  if (!mountSmallDisk(folder.path)) skip("mounting a small disk needs root on Linux");
  try {
    const on = open();
    const first = await hold(on, "first.ts");
    takeAllRoom(folder.file("junk"));
    const leases = [first, ...(await fill(on))];
    await expectError(on.acquire(request("one-more.ts")), "BACKEND_FULL", /no room left/);
    for (const { id, agentId, token } of leases) {
      expect(await on.renew([{ id, agentId, token }])).toMatchObject([{ status: "renewed" }]);
    }
    expect(await held(on)).toHaveLength(leases.length);
    for (const lease of leases) expect(await release(on, lease)).toBe("released");

    rmSync(folder.file("junk"));
    await pause(1100);
    await hold(on, "one-more.ts");
    expect(statSync(folder.file("leases.db-reserve")).size).toBeGreaterThan(0);
  } finally {
    await backend?.close();
    backend = undefined;
    execFileSync("/bin/umount", [folder.path]);
  }
});

test("where no reserve can be made, a lease is refused with a code, and what is held goes on", async () => {
  let db: Connection | undefined;
  const on = open({
    onOpen: (opened) => {
      db = opened;
    },
  });
  const lease = await hold(on, "src/app.ts");
  const reserve = folder.file("leases.db-reserve");
  rmSync(reserve);
  mkdirSync(reserve);
  // The full disk spends a reserve that is not one.
  db?.pragma(`max_page_count = ${Number(db.pragma("page_count", { simple: true }))}`);
  const { id, agentId, token } = lease;
  await expectError(
    on.acquire(request("large.ts", { metadata: { blob: "x".repeat(4000) } })),
    "BACKEND_FULL",
    /no room/,
  );
  db?.pragma("max_page_count = 100000");
  await pause(1100);
  await expectError(on.acquire(request("b.ts")), "BACKEND_FULL", /leases\.db-reserve/);
  expect(await on.renew([{ id, agentId, token }])).toMatchObject([{ status: "renewed" }]);
  expect(await release(on, lease)).toBe("released");
  rmdirSync(reserve);
  await pause(1100);
  await hold(on, "b.ts");
});

function mountSmallDisk(path: string): boolean {
  try {
    execFileSync("/bin/mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", path], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function takeAllRoom(path: string): void {
  const block = Buffer.alloc(64 * 1024);
  try {
    for (;;) writeFileSync(path, block, { flag: "a" });
  } catch (error) {
    expect(error).toMatchObject({ code: "ENOSPC" });
  }
  expect(existsSync(path)).toBe(true);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
