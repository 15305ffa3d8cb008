/** What is wrong with a file is said clearly, nothing is made over it, and nothing in it is lost. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { LeaseBackend } from "@lease/core";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createSqliteBackend, type Seams, type SqliteBackendOptions } from "../src/backend.js";
import { newFolder } from "./folder.js";
import { expectError, held, hold, release, request } from "./requests.js";

let folder: ReturnType<typeof newFolder>;
let opened: LeaseBackend[];

beforeEach(() => {
  folder = newFolder();
  opened = [];
});

afterEach(async () => {
  for (const backend of opened) await backend.close();
  folder.remove();
});

function open(options: Partial<SqliteBackendOptions> = {}, seams: Seams = {}): LeaseBackend {
  const backend = createSqliteBackend({ path: folder.file(), ...options }, seams);
  opened.push(backend);
  return backend;
}

/** A closed file with one lease in it. */
async function fileWithALease(): Promise<void> {
  const backend = open();
  await hold(backend, "src/app.ts");
  await backend.close();
}

describe("opening", () => {
  test("the constructor touches nothing; the first call makes the file", async () => {
    const backend = open();
    expect(readdirSync(folder.path)).toEqual([]);
    expect(await held(backend)).toEqual([]);
    expect(existsSync(folder.file())).toBe(true);
  });

  test("calls that come first together open once", async () => {
    const backend = open();
    const results = await Promise.all(["a", "b", "c"].map((name) => backend.acquire(request(name))));
    expect(results.map((result) => result.status)).toEqual(["granted", "granted", "granted"]);
  });

  test("a relative path counts from where the backend was made", async () => {
    const before = process.cwd();
    mkdirSync(join(folder.path, "elsewhere"));
    try {
      process.chdir(folder.path);
      const backend = open({ path: "relative.db" });
      process.chdir(join(folder.path, "elsewhere"));
      await hold(backend, "src/app.ts");
    } finally {
      process.chdir(before);
    }
    expect(existsSync(folder.file("relative.db"))).toBe(true);
  });

  test("a link is followed, and everybody meets in the real file", async () => {
    mkdirSync(join(folder.path, "real"));
    symlinkSync(join(folder.path, "real", "leases.db"), folder.file("link.db"));
    const byLink = open({ path: folder.file("link.db") });
    await hold(byLink, "src/app.ts");
    expect(await held(open({ path: join(folder.path, "real", "leases.db") }))).toEqual(["src/app.ts"]);
    await pause();
    await hold(byLink, "docs/readme.md");
  });

  test("a folder that does not exist is not made, and the next call tries again", async () => {
    const path = join(folder.path, "missing", "leases.db");
    const backend = open({ path });
    await expectError(backend.list({}), "BACKEND_UNAVAILABLE", /folder .* does not exist/);
    expect(existsSync(dirname(path))).toBe(false);
    mkdirSync(dirname(path));
    expect(await held(backend)).toEqual([]);
  });

  test("bad options are refused at once", () => {
    const bad: [Partial<SqliteBackendOptions>, string][] = [
      [{ path: "" }, "path"],
      [{ path: ":memory:" }, "path"],
      [{ path: " leases.db" }, "path"],
      [{ synchronous: "OFF" as never }, "synchronous"],
      [{ busyTimeoutMs: -1 }, "busyTimeoutMs"],
      [{ endMemoryMs: 0.5 }, "endMemoryMs"],
    ];
    for (const [options, field] of bad) {
      expect(() => open(options)).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT", details: { field } }),
      );
    }
  });
});

describe("what is not ours", () => {
  test("a file that is no database stays as it is", async () => {
    writeFileSync(folder.file(), "a letter to grandmother, which is not a database\n".repeat(100));
    const before = readFileSync(folder.file());
    await expectError(open().list({}), "BACKEND_CORRUPT", /not an SQLite database/);
    expect(readFileSync(folder.file())).toEqual(before);
  });

  test.each(["delete", "wal"])("another program's database (%s) stays as it is", async (mode) => {
    const other = new Database(folder.file());
    other.pragma(`journal_mode = ${mode}`);
    other.exec("CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup')");
    // A copy taken while it was open: with "wal" its last steps stand in the log only.
    const copy = folder.file("copy.db");
    copyFileSync(folder.file(), copy);
    if (mode === "wal") copyFileSync(folder.file("leases.db-wal"), `${copy}-wal`);
    other.close();
    const before = readFileSync(copy);

    await expectError(open({ path: copy }).list({}), "BACKEND_CORRUPT", /not a lease database/);
    expect(readFileSync(copy)).toEqual(before);
    const again = new Database(copy);
    expect(again.prepare("SELECT name FROM recipes").pluck().all()).toEqual(["soup"]);
    again.close();
  });

  test("a folder in the file's place", async () => {
    mkdirSync(folder.file());
    await expectError(open().list({}), "BACKEND_UNAVAILABLE", /cannot be opened/);
  });

  test("a database of a newer schema stays as it is", async () => {
    await fileWithALease();
    const newer = new Database(folder.file());
    newer.pragma("user_version = 99");
    newer.close();
    await expectError(open().list({}), "BACKEND_INCOMPATIBLE", /schema version 99.*update @lease\/sqlite/);
  });

  test("a network file system", async () => {
    const smb = open({}, { fileSystem: { typeOf: () => 0xfe534d42 | 0 } });
    await expectError(smb.list({}), "BACKEND_INCOMPATIBLE", /network file system \(SMB\)/);
    const nfs = open({}, { fileSystem: { typeOf: () => 0x6969 } });
    await expectError(nfs.list({}), "BACKEND_INCOMPATIBLE", /network file system \(NFS\)/);
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

describe("damage", () => {
  test("a damaged page is reported, and no new file is made", async () => {
    const backend = open();
    for (let count = 0; count < 300; count += 1) await hold(backend, `src/file-${count}.ts`);
    await backend.close();
    const bytes = readFileSync(folder.file());
    bytes.fill(0xee, 4096 * 2);
    writeFileSync(folder.file(), bytes);
    await expectError(open().acquire(request("src/file-1.ts")), "BACKEND_CORRUPT", /damaged/);
    expect(readFileSync(folder.file())).toEqual(bytes);
  });

  test("a file cut short is reported, and no new file is made", async () => {
    await fileWithALease();
    truncateSync(folder.file(), 4096 + 100);
    await expectError(open().acquire(request("src/app.ts")), "BACKEND_CORRUPT", /damaged/);
  });

  test("a record that cannot be read fails its own call, not the others of the group", async () => {
    const backend = open();
    const lease = await hold(backend, "src/app.ts");
    const other = new Database(folder.file());
    other.prepare("UPDATE live SET body = 'nonsense' WHERE kind = 0").run();
    other.close();
    const { id, agentId, token } = lease;
    const [renewed, granted] = await Promise.allSettled([
      backend.renew([{ id, agentId, token }]),
      backend.acquire(request("docs/readme.md")),
    ]);
    expect(renewed).toMatchObject({ status: "rejected", reason: { code: "BACKEND_CORRUPT" } });
    expect(granted).toMatchObject({ status: "fulfilled", value: { status: "granted" } });
  });

  test("a lost head row", async () => {
    const backend = open();
    await hold(backend, "src/app.ts");
    const other = new Database(folder.file());
    other.exec("DELETE FROM meta");
    other.close();
    await expectError(backend.list({}), "BACKEND_CORRUPT", /head row/);
  });
});

describe("read-only", () => {
  // Root may write everything: it asks as another user then.
  const asNobody = async (run: () => Promise<void>) => {
    if (process.getuid?.() !== 0) return run();
    process.seteuid?.(65_534);
    try {
      await run();
    } finally {
      process.seteuid?.(0);
    }
  };

  test("a file that may not be written", async () => {
    await fileWithALease();
    chmodSync(folder.path, 0o777);
    chmodSync(folder.file(), 0o444);
    const before = readFileSync(folder.file());
    await asNobody(async () => {
      const backend = open();
      await expectError(backend.acquire(request("docs/readme.md")), "BACKEND_UNAVAILABLE", /read-only/);
      await expectError(backend.list({}), "BACKEND_UNAVAILABLE", /read-only/);
    });
    expect(readFileSync(folder.file())).toEqual(before);
    chmodSync(folder.file(), 0o644);
    expect(await held(open())).toEqual(["src/app.ts"]);
  });

  test("a folder that may not be written", async () => {
    await fileWithALease();
    chmodSync(folder.file(), 0o666);
    chmodSync(folder.path, 0o555);
    await asNobody(async () => {
      await expectError(open().list({}), "BACKEND_UNAVAILABLE", /writable|read-only/);
      await expectError(open({ path: folder.file("new.db") }).list({}), "BACKEND_UNAVAILABLE", /writable/);
    });
    chmodSync(folder.path, 0o755);
    expect(await held(open())).toEqual(["src/app.ts"]);
    expect(existsSync(folder.file("new.db"))).toBe(false);
  });
});

describe("deleted or replaced while open", () => {
  test("deleted: refused, and no new file is made", async () => {
    const backend = open();
    const lease = await hold(backend, "src/app.ts");
    for (const name of readdirSync(folder.path)) rmSync(join(folder.path, name));
    await pause();
    await expectError(backend.acquire(request("docs/readme.md")), "BACKEND_UNAVAILABLE", /deleted, moved/);
    await expectError(release(backend, lease), "BACKEND_UNAVAILABLE", /deleted, moved/);
    await expectError(backend.list({}), "BACKEND_UNAVAILABLE", /deleted, moved/);
    await backend.close();
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("moved away: refused; put back, it goes on where it was", async () => {
    const backend = open();
    await hold(backend, "src/app.ts");
    renameSync(folder.file(), folder.file("aside"));
    await pause();
    await expectError(backend.acquire(request("docs/readme.md")), "BACKEND_UNAVAILABLE", /deleted, moved/);
    renameSync(folder.file("aside"), folder.file());
    expect(await held(backend)).toEqual(["src/app.ts"]);
    await hold(backend, "docs/readme.md");
  });

  test("replaced: refused, and closing leaves the new file and its log alone", async () => {
    const backend = open();
    await hold(backend, "old.ts");
    for (const name of readdirSync(folder.path)) rmSync(join(folder.path, name));
    const newer = open();
    await hold(newer, "new.ts");
    await pause();
    await expectError(backend.acquire(request("old-2.ts")), "BACKEND_UNAVAILABLE", /replaced/);
    await backend.close();
    expect(await held(newer)).toEqual(["new.ts"]);
    await hold(newer, "new-2.ts");
    await newer.close();
    expect(await held(open())).toEqual(["new-2.ts", "new.ts"]);
  });

  test("the log deleted: refused, since others would no longer see what is written", async () => {
    const backend = open();
    await hold(backend, "src/app.ts");
    rmSync(folder.file("leases.db-wal"));
    await pause();
    await expectError(backend.acquire(request("docs/readme.md")), "BACKEND_UNAVAILABLE", /deleted/);
  });

  test("in the middle of a call: it is unknown whether it was applied", async () => {
    const backend = open({}, { onOpen: (db) => db.function("move_away", () => void moveAway()) });
    const moveAway = () => renameSync(folder.file(), folder.file("aside"));
    await hold(backend, "src/app.ts");
    const other = new Database(folder.file());
    other.exec("CREATE TRIGGER mover AFTER INSERT ON history BEGIN SELECT move_away(); END");
    other.close();
    await expectError(backend.acquire(request("docs/readme.md")), "OUTCOME_UNKNOWN", /during the call/);
  });

  test("a follower fails, and is not left waiting", async () => {
    const backend = open();
    await hold(backend, "src/app.ts");
    const following = backend.changes({ follow: true, after: "end" })[Symbol.asyncIterator]().next();
    await pause();
    rmSync(folder.file());
    await expectError(following, "BACKEND_UNAVAILABLE", /deleted/);
  });
});

describe("a transaction that was never finished", () => {
  /** A database whose writer died in the middle, with the journal that tells how to undo it. */
  function interrupted(prepare: string): void {
    const path = folder.file("dying.db");
    const dying = new Database(path);
    dying.exec(prepare);
    dying.pragma("cache_size = 1");
    dying.exec("BEGIN; CREATE TABLE half (x)");
    const insert = dying.prepare("INSERT INTO half VALUES (zeroblob(3000))");
    for (let count = 0; count < 50; count += 1) insert.run();
    copyFileSync(path, folder.file());
    copyFileSync(`${path}-journal`, folder.file("leases.db-journal"));
    dying.close();
  }

  test("in another program's database: left for that program to undo", async () => {
    interrupted("CREATE TABLE recipes (name TEXT)");
    const before = readFileSync(folder.file());
    await expectError(open().list({}), "BACKEND_UNAVAILABLE", /unfinished transaction/);
    expect(readFileSync(folder.file())).toEqual(before);
    expect(existsSync(folder.file("leases.db-journal"))).toBe(true);
  });

  test("in a file that was about to become a database: undone, and made again", async () => {
    interrupted("");
    truncateSync(folder.file(), 4096);
    await hold(open(), "src/app.ts");
  });
});

/** Longer than a look at the file counts. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 15));
