/** One database under two names would be two: each name has a log of its own beside it. Such names are refused. */
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import type { LeaseBackend } from "@lease/core";
import { type ProcessHost, processHost } from "@lease/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createSqliteBackend, type Seams } from "../src/backend.js";
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

function open(path = folder.file(), seams: Seams = {}): LeaseBackend {
  const backend = createSqliteBackend({ path }, seams);
  opened.push(backend);
  return backend;
}

/** A closed file with one lease in it. */
async function fileWithALease(): Promise<void> {
  const backend = open();
  await hold(backend, "src/app.ts");
  await backend.close();
}

describe("a hard link", () => {
  test("that was there before: refused by both names, and nothing is written", async () => {
    await fileWithALease();
    linkSync(folder.file(), folder.file("second.db"));
    const [files, bytes] = [readdirSync(folder.path), readFileSync(folder.file())];
    for (const name of ["leases.db", "second.db"]) {
      const opening = open(folder.file(name)).acquire(request("src/app.ts"));
      await expectError(opening, "BACKEND_INCOMPATIBLE", /more than one name .*Remove the other names/);
    }
    expect(readdirSync(folder.path)).toEqual(files);
    expect(readFileSync(folder.file())).toEqual(bytes);

    rmSync(folder.file("second.db"));
    expect(await held(open())).toEqual(["src/app.ts"]);
  });

  test("that is made while the file is open: refused until it is removed, and nothing is lost", async () => {
    const backend = open();
    const lease = await hold(backend, "src/app.ts");
    linkSync(folder.file(), folder.file("second.db"));
    await expectError(open(folder.file("second.db")).list({}), "BACKEND_INCOMPATIBLE", /more than one name/);
    await pause();
    for (const call of [
      () => backend.acquire(request("docs/readme.md")),
      () => backend.renew([{ id: lease.id, agentId: lease.agentId }]),
      () => backend.list({}),
    ]) {
      await expectError(call(), "BACKEND_INCOMPATIBLE", /more than one name/);
    }
    rmSync(folder.file("second.db"));
    expect(await held(backend)).toEqual(["src/app.ts"]);
    expect(await release(backend, lease)).toBe("released");
  });

  test("that is made under calls without a pause between them is noticed all the same", async () => {
    const backend = open();
    await hold(backend, "src/app.ts");
    linkSync(folder.file(), folder.file("second.db"));
    const until = performance.now() + 20_000;
    const refusal = (async () => {
      while (performance.now() < until) await backend.list({});
    })();
    await expectError(refusal, "BACKEND_INCOMPATIBLE", /more than one name/);
  });
});

describe("a file that is mounted by itself", () => {
  test("is refused, as what the mount table or else the devices say", async ({ skip }) => {
    const disk = folder.file("disk");
    const alone = folder.file("alone.db");
    mkdirSync(disk);
    writeFileSync(alone, "");
    if (!mount("-t", "tmpfs", "-o", "size=12m", "tmpfs", disk)) skip("mounting needs root on Linux");
    try {
      const backend = open(folder.file("disk/leases.db"));
      await hold(backend, "src/app.ts");
      mount("--bind", folder.file("disk/leases.db"), alone);
      try {
        await expectError(open(alone).list({}), "BACKEND_INCOMPATIBLE", /single file.*Mount its folder/);
        await expectError(open(alone, noMountTable).list({}), "BACKEND_INCOMPATIBLE", /single file/);
        symlinkSync(alone, folder.file("link.db"));
        await expectError(open(folder.file("link.db")).list({}), "BACKEND_INCOMPATIBLE", /single file/);
      } finally {
        execFileSync("/bin/umount", [alone]);
      }
      // The other side of the mount is the file's own folder.
      await hold(backend, "docs/readme.md");
      await backend.close();
      expect(await held(open(folder.file("disk/leases.db"), noMountTable))).toHaveLength(2);
      await opened.at(-1)?.close();
    } finally {
      execFileSync("/bin/umount", [disk]);
    }
  });

  test("is found in the mount table, whatever its name", async () => {
    const path = folder.file("our leases.db");
    const point = path.replaceAll(" ", "\\040");
    await open(path).list({});
    const table = (mountPoint: string) => ({
      fileSystem: {
        mounts: () => `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
36 22 8:1 /var/lib/leases.db ${mountPoint} rw,relatime shared:1 master:2 - ext4 /dev/sda1 rw
`,
      },
    });
    await expectError(open(path, table(point)).list({}), "BACKEND_INCOMPATIBLE", /single file/);
    expect(await held(open(path, table(`${point}/below`)))).toEqual([]);
    expect(await held(open(path, noMountTable))).toEqual([]);
  });
});

describe.runIf(process.platform === "linux")("a file system in user space", () => {
  const FUSE = 0x65735546;
  const mountedAs = (type: string) => ({
    fileSystem: {
      typeOf: () => FUSE,
      mounts: () => `22 1 8:1 / / rw - ext4 /dev/sda1 rw
36 22 0:50 / ${folder.path} rw shared:1 - ${type} somewhere rw
37 22 0:51 / ${folder.path}-other rw shared:1 - fuse.rclone somewhere rw
`,
    },
  });

  test("of another machine is refused before anything is written", async () => {
    const opening = open(folder.file(), mountedAs("fuse.sshfs")).list({});
    await expectError(opening, "BACKEND_INCOMPATIBLE", /network file system \(fuse\.sshfs\)/);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("of a local disk is used", async () => {
    await hold(open(folder.file(), mountedAs("fuseblk")), "src/app.ts");
  });
});

test("a symbolic link is judged by where it leads", async () => {
  mkdirSync(folder.file("real"));
  symlinkSync(folder.file("real/leases.db"), folder.file("link.db"));
  const typeOf = (asked: string) => (asked === folder.file("real") ? 0x6969 : 0xef53);
  const opening = open(folder.file("link.db"), { fileSystem: { typeOf } }).list({});
  await expectError(opening, "BACKEND_INCOMPATIBLE", /network file system \(NFS\)/);
  expect(readdirSync(folder.file("real"))).toEqual([]);
});

describe("the log's index (-shm) deleted while a process has the file open", () => {
  let host: ProcessHost;

  beforeEach(async () => {
    host = await processHost({ module: new URL("./sqlite.worker.ts", import.meta.url) });
  });

  afterEach(() => host.stop());

  test("that process is refused: the next one to open has other locks", async () => {
    const there = await host.open({ path: folder.file() });
    const lease = await hold(there, "src/app.ts");
    rmSync(folder.file("leases.db-shm"));

    const here = open();
    expect(await here.acquire(request("src/app.ts"))).toMatchObject({
      status: "refused",
      blockers: [{ id: lease.id }],
    });
    await pause();
    const acquiring = there.acquire(request("docs/readme.md"));
    await expectError(acquiring, "BACKEND_UNAVAILABLE", /-shm file\) was deleted.*open it again/);
    await expectError(there.list({}), "BACKEND_UNAVAILABLE", /deleted/);
    await there.close();

    expect(await release(here, lease)).toBe("released");
    expect(await release(await host.open({ path: folder.file() }), await hold(here, "b.ts"))).toBe(
      "released",
    );
  });
});

const noMountTable = {
  fileSystem: {
    mounts: () => {
      throw new Error("ENOENT: no such file or directory");
    },
  },
};

function mount(...args: string[]): boolean {
  try {
    execFileSync("/bin/mount", args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Longer than a look at the files counts. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 15));
