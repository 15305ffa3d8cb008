/** Looking for other processes' commits: only while a call waits, and also when files cannot be watched. */
import { EventEmitter } from "node:events";
import { chmodSync, type FSWatcher, watch, writeFileSync } from "node:fs";
import { simulatedClock } from "@lease/testing";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { sqliteBackend } from "../src/index.js";
import { callWatchers, fileToCallWith, Wake } from "../src/wake.js";
import { newFolder } from "./folder.js";
import { hold, release, request } from "./requests.js";

describe("a watch", () => {
  let version: number;
  let commits: number;
  let polls: number;
  let watching: number;
  let onEvent: () => void;

  beforeEach(() => {
    vi.useFakeTimers();
    version = 1;
    commits = 0;
    polls = 0;
    watching = 0;
  });

  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    expect(watching).toBe(0);
    vi.useRealTimers();
  });

  const watchFile = ((_path: string, listener: () => void) => {
    watching += 1;
    onEvent = listener;
    return Object.assign(new EventEmitter(), {
      close() {
        watching -= 1;
      },
    }) as unknown as FSWatcher;
  }) as typeof watch;

  function wake(over: { watchFile?: typeof watch; version?: () => number } = {}): Wake {
    return new Wake({
      path: "leases.db-wal",
      version: () => version,
      onForeignCommit: () => {
        commits += 1;
      },
      onPoll: () => {
        polls += 1;
      },
      watchFile,
      ...over,
    });
  }

  test("a file that cannot be asked when the wait begins is asked again, and what it then says is news", () => {
    let busy = true;
    const watched = wake({
      version: () => {
        if (busy) throw Object.assign(new Error("database is locked"), { code: "SQLITE_BUSY" });
        return version;
      },
    });
    const stop = watched.retain();
    vi.advanceTimersByTime(200);
    expect(commits).toBe(0);
    busy = false;
    vi.advanceTimersByTime(100);
    expect(commits).toBe(1);
    version += 1;
    onEvent();
    expect(commits).toBe(2);
    stop();
  });

  test("nothing runs until a call waits, nor after the last one stopped", () => {
    const watched = wake();
    expect(vi.getTimerCount()).toBe(0);
    const stopFirst = watched.retain();
    const stopSecond = watched.retain();
    expect(watching).toBe(1);
    stopFirst();
    stopFirst();
    expect(watching).toBe(1);
    stopSecond();
    expect(watching).toBe(0);
  });

  test("an event that comes before the commit can be seen is followed by looks after 1, 3 and 8 ms", () => {
    const stop = wake().retain();
    onEvent();
    expect(commits).toBe(0);
    vi.advanceTimersByTime(2);
    version = 2;
    vi.advanceTimersByTime(1);
    expect(commits).toBe(1);
    onEvent();
    vi.advanceTimersByTime(7);
    version = 3;
    vi.advanceTimersByTime(1);
    expect(commits).toBe(2);
    vi.advanceTimersByTime(50);
    expect(commits).toBe(2);
    stop();
  });

  test("of a commit's events, the last one is looked after too, in the next turns of the event loop", () => {
    const stop = wake().retain();
    onEvent();
    onEvent();
    version = 2;
    expect(commits).toBe(0);
    vi.advanceTimersByTime(0);
    expect(commits).toBe(1);
    stop();
  });

  test("an event that got lost costs a tenth of a second", () => {
    const stop = wake().retain();
    version = 2;
    vi.advanceTimersByTime(100);
    expect(commits).toBe(1);
    stop();
  });

  test("what is committed after the watch began is not missed", () => {
    const watched = wake();
    version = 7;
    const stop = watched.retain();
    vi.advanceTimersByTime(200);
    expect(commits).toBe(0);
    version = 8;
    vi.advanceTimersByTime(100);
    expect(commits).toBe(1);
    stop();
  });

  test("where files cannot be watched, or the watch breaks, it polls every 2 ms", () => {
    const none = wake({
      watchFile: () => {
        throw new Error("ENOSPC: no watches left");
      },
    });
    const stop = none.retain();
    version = 2;
    vi.advanceTimersByTime(2);
    expect(commits).toBe(1);
    stop();

    let watcher: EventEmitter | undefined;
    const breaks = wake({
      watchFile: ((path: string, listener: () => void) => {
        const made = watchFile(path, listener);
        watcher = made;
        return made;
      }) as typeof watch,
    });
    const stopBreaking = breaks.retain();
    watcher?.emit("error", new Error("gone"));
    version = 3;
    vi.advanceTimersByTime(2);
    expect(commits).toBe(2);
    expect(polls).toBeGreaterThan(0);
    stopBreaking();
  });

  test("a file that cannot be read wakes those who wait: their next call says why", () => {
    let fails = false;
    const stop = wake({
      version: () => {
        if (fails) throw Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR" });
        return 1;
      },
    }).retain();
    fails = true;
    vi.advanceTimersByTime(100);
    expect(commits).toBe(1);
    stop();
  });
});

test("a process that does not wait keeps no watch, which would keep it from ending", async () => {
  const folder = newFolder();
  const backend = sqliteBackend({ path: folder.file() });
  const watches = () => process.getActiveResourcesInfo().filter((name) => name === "FSEventWrap").length;
  const before = watches();
  const holder = await hold(backend, "src/app.ts");
  const waiting = request("src/app.ts", { agentId: "bob", wait: "queue" });
  await backend.acquire(waiting);
  const turn = backend.turn({ id: waiting.id, timeoutMs: 20_000 });
  await expect.poll(watches).toBe(before + 1);
  await release(backend, holder);
  await turn;
  await expect.poll(watches).toBe(before);
  await backend.close();
  folder.remove();
});

test("a waiter behind a lease that runs out wakes up, with no process doing anything", async () => {
  const folder = newFolder();
  const clock = simulatedClock();
  const backend = sqliteBackend({ path: folder.file(), clock });
  await hold(backend, "src/app.ts", { ttlMs: 1000 });
  const waiting = request("src/app.ts", { agentId: "bob", wait: "queue", waitTtlMs: 15_000 });
  await backend.acquire(waiting);
  const turn = backend.turn({ id: waiting.id, timeoutMs: 10_000 });
  await clock.advance(1000);
  await turn;
  expect(await backend.acquire(waiting)).toMatchObject({ status: "granted" });
  expect(clock.timers).toBe(0);
  await backend.close();
  folder.remove();
});

test("a process that watches a file is called without a write", async () => {
  const folder = newFolder();
  writeFileSync(folder.file(), "");
  const heard = vi.fn();
  const watcher = watch(folder.file(), heard);
  callWatchers(folder.file());
  await expect.poll(() => heard.mock.calls.length).toBeGreaterThan(0);
  watcher.close();
  callWatchers(folder.file("of nobody"));
  folder.remove();
});

test("queued requests are called with the database only where its owner alone writes, and a watch does not open it", () => {
  const folder = newFolder();
  const [path, log] = [folder.file(), folder.file("leases.db-wal")];
  writeFileSync(path, "");
  chmodSync(path, 0o644);
  expect(fileToCallWith(path, log)).toBe(process.platform === "linux" ? path : log);
  chmodSync(path, 0o664);
  expect(fileToCallWith(path, log)).toBe(log);
  folder.remove();
});
