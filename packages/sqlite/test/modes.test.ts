/** Leases say what agents work on, and an id with its token ends one: new files are their owner's alone. */
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sqliteBackend } from "../src/index.js";
import { newFolder } from "./folder.js";
import { hold } from "./requests.js";

let folder: ReturnType<typeof newFolder>;

beforeEach(() => {
  folder = newFolder();
});

afterEach(() => folder.remove());

function modes(path: string): Record<string, string> {
  const files = readdirSync(path).map((name) => [
    name,
    (statSync(join(path, name)).mode & 0o777).toString(8),
  ]);
  return Object.fromEntries(files);
}

/** The modes of all files while a lease is held. */
async function modesInUse(path: string, umask: number): Promise<Record<string, string>> {
  const before = process.umask(umask);
  try {
    const backend = sqliteBackend({ path });
    await hold(backend, "src/app.ts");
    const found = modes(join(path, ".."));
    await backend.close();
    return found;
  } finally {
    process.umask(before);
  }
}

test.each([0o000, 0o022, 0o077])(
  "new files are readable by their owner only, with umask %o too",
  async (umask) => {
    expect(await modesInUse(folder.file(), umask)).toEqual({
      "leases.db": "600",
      "leases.db-wal": "600",
      "leases.db-shm": "600",
      "leases.db-reserve": "600",
    });
  },
);

test("a file that is there keeps its mode, which its log has too", async () => {
  writeFileSync(folder.file(), "");
  chmodSync(folder.file(), 0o660);
  expect(await modesInUse(folder.file(), 0o022)).toEqual({
    "leases.db": "660",
    "leases.db-wal": "660",
    "leases.db-shm": "660",
    "leases.db-reserve": "600",
  });
});

test("a file that is made where a link leads is private, too", async () => {
  mkdirSync(folder.file("real"));
  symlinkSync(folder.file("real/leases.db"), folder.file("link.db"));
  const backend = sqliteBackend({ path: folder.file("link.db") });
  await hold(backend, "src/app.ts");
  expect(new Set(Object.values(modes(folder.file("real"))))).toEqual(new Set(["600"]));
  await backend.close();
});
