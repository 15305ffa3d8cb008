/** Several processes on one file. */

import { createLeaseId, type Lease, type LeaseBackend, type LeaseEvent } from "@lease/core";
import { presentEnd } from "@lease/core/backend";
import { auditFeed, conformance, modelTest, type ProcessHost, processHost } from "@lease/testing";
import Database from "better-sqlite3";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { sqliteBackend } from "../src/index.js";
import { newFolder } from "./folder.js";
import { hold, release, request } from "./requests.js";

const module = new URL("./sqlite.worker.ts", import.meta.url);

describe("two processes, every other client in the other one, in real time", () => {
  let host: ProcessHost;

  beforeAll(async () => {
    host = await processHost({ module });
  });

  afterAll(() => host.stop());

  const factory = async () => {
    const folder = newFolder();
    let clients = 0;
    return {
      async open() {
        clients += 1;
        const options = { path: folder.file() };
        return clients % 2 === 1 ? sqliteBackend(options) : await host.open(options);
      },
      close: async () => folder.remove(),
    };
  };

  // Most cases wait for time to pass, and can do so together.
  conformance({ test: test.concurrent, factory });
  modelTest({ test: test.concurrent, factory, runs: 5, maxActions: 30 });
});

describe("one file, many writers", () => {
  let folder: ReturnType<typeof newFolder>;
  const hosts = new Set<ProcessHost>();

  beforeEach(() => {
    folder = newFolder();
  });

  afterEach(async () => {
    await Promise.all([...hosts].map((host) => host.stop()));
    hosts.clear();
    folder.remove();
  });

  async function writer(): Promise<{ host: ProcessHost; backend: LeaseBackend }> {
    const host = await processHost({ module });
    hosts.add(host);
    return { host, backend: await host.open({ path: folder.file() }) };
  }

  test("killed at any moment, two dozen times: nothing that was answered is lost, no token is given twice", async () => {
    const KILLS = 24;
    const held = new Map<string, Lease>();
    const released = new Set<string>();
    let kills = 0;

    /** Takes leases, gives some of them back, and remembers what was answered, until its process dies. */
    const work = async (backend: LeaseBackend, begun: () => void) => {
      for (;;) {
        const id = createLeaseId();
        const lease = await hold(backend, `job:${id}`, { id, ttlMs: 600_000 });
        held.set(id, lease);
        begun();
        if (Math.random() < 0.5) continue;
        // From here on it is unknown, until the answer.
        held.delete(id);
        expect(await release(backend, lease)).toBe("released");
        released.add(id);
      }
    };
    const lifeOfAWriter = async () => {
      while (kills < KILLS || held.size + released.size < 100) {
        const { host, backend } = await writer();
        let begun = () => {};
        const underWay = new Promise<void>((resolve) => {
          begun = resolve;
        });
        const workers = Array.from({ length: 4 }, () =>
          work(backend, begun).catch((error: unknown) => error),
        );
        // Some are killed while they open the file, most in the middle of their work.
        if (kills % 4 !== 0) await Promise.race([underWay, ...workers]);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
        host.kill();
        kills += 1;
        for (const end of await Promise.all(workers)) {
          expect(end).toMatchObject({ code: expect.stringMatching(/OUTCOME_UNKNOWN|BACKEND_UNAVAILABLE/) });
        }
        await host.exited;
        hosts.delete(host);
      }
    };
    await Promise.all([lifeOfAWriter(), lifeOfAWriter(), lifeOfAWriter()]);

    const survivor = sqliteBackend({ path: folder.file() });
    const live = new Map<string, Lease>();
    let after: string | undefined;
    do {
      const page = await survivor.list({ limit: 1000, after });
      for (const lease of page.leases) live.set(lease.id, lease);
      after = page.next ?? undefined;
    } while (after !== undefined);
    for (const [id, lease] of held)
      expect(live.get(id)).toMatchObject({ token: lease.token, state: "active" });
    for (const id of released) expect(live.has(id)).toBe(false);

    const events: LeaseEvent[] = [];
    for await (const event of survivor.changes({})) events.push(event);
    auditFeed(events);
    const tokens = new Map<number, string>();
    for (const { lease } of events) {
      expect(tokens.get(lease.token) ?? lease.id).toBe(lease.id);
      tokens.set(lease.token, lease.id);
    }
    await survivor.close();
    const db = new Database(folder.file());
    expect(db.pragma("integrity_check", { simple: true })).toBe("ok");
    db.close();
  });

  test("a writer that is stopped in the middle of everything keeps no other process out for long", async () => {
    const { host, backend } = await writer();
    const here = sqliteBackend({ path: folder.file() });
    const working = (async () => {
      for (;;) await release(backend, await hold(backend, "there.ts"));
    })().catch(() => undefined);
    for (let round = 0; round < 10; round += 1) {
      host.kill("SIGSTOP");
      // It may stand still with the lock in its hand: then calls wait, and go on as soon as it does.
      const call = hold(here, `here-${round}.ts`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      host.kill("SIGCONT");
      await call;
    }
    await host.stop();
    await working;
    await here.close();
  });

  test("the next in the queue in another process wakes up; so does a follower", async () => {
    const { backend } = await writer();
    const here = sqliteBackend({ path: folder.file() });
    const events: LeaseEvent[] = [];
    const following = new AbortController();
    // By name: "end" is looked up a moment later, when the other process may have begun.
    const after = await presentEnd(here);
    const follower = (async () => {
      for await (const event of here.changes({ follow: true, after, signal: following.signal })) {
        events.push(event);
        if (events.length === 30) return;
      }
    })();
    for (let round = 0; round < 10; round += 1) {
      // Whatever time alone would bring comes too late for this test.
      const times = { ttlMs: 600_000, waitTtlMs: 600_000 };
      const holder = await hold(backend, "src/app.ts", times);
      const waiting = request("src/app.ts", { agentId: "bob", wait: "queue", ...times });
      expect(await here.acquire(waiting)).toMatchObject({ status: "refused" });
      const turn = here.turn({ id: waiting.id, timeoutMs: 600_000 });
      await release(backend, holder);
      await turn;
      const result = await here.acquire(waiting);
      if (result.status !== "granted") throw new Error(`not granted: ${result.status}`);
      await release(here, result.lease);
    }
    await follower;
    expect(events.slice(0, 5).map(({ type }) => type)).toEqual([
      "acquired",
      "queued",
      "released",
      "acquired",
      "released",
    ]);
    await here.close();
  });
});
