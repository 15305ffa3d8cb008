/** A follower of the feed that reads more slowly than others write: it costs a bounded queue, and misses nothing. */
import type { LeaseBackend, LeaseEvent } from "@lease/core";
import { startEtcd } from "@lease/test-servers";
import { expect, test } from "vitest";
import { etcdBackend } from "../src/index.js";
import { compact, hold, ownEtcd, release, until, watchers } from "./helpers.js";

/** Enough for several times what a reader may have waiting. */
const PAIRS = 400;

const { etcd, client } = await ownEtcd();

/** So many acquires and releases. */
async function pairs(backend: LeaseBackend, count: number): Promise<void> {
  const pair = async (resource: string) => release(backend, await hold(backend, resource));
  await Promise.all(
    Array.from({ length: 16 }, async (_, caller) => {
      for (let turn = 0; turn < count / 16; turn += 1) await pair(`r/${caller}`);
    }),
  );
}

/** Begins to follow, reads one event and then none, while many more come; until its watch has ended. */
async function lag(backend: LeaseBackend) {
  const feed = backend.changes({ follow: true })[Symbol.asyncIterator]();
  const first = feed.next();
  const held = await hold(backend, "first");
  const seen: LeaseEvent[] = [(await first).value];
  await pairs(backend, PAIRS);
  await until(async () => ((await watchers(etcd)) === 0 ? true : undefined));
  await release(backend, held);
  return { feed, seen };
}

test("its watch ends while it lags, and begins again where it ended: every event comes once, in order", async () => {
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "slow" });
  const { feed, seen } = await lag(backend);
  while (seen.length < 2 + 2 * PAIRS) seen.push((await feed.next()).value);
  const tokens = new Map<number, string[]>();
  for (const { lease, type } of seen.slice(1, -1))
    tokens.set(lease.token, [...(tokens.get(lease.token) ?? []), type]);
  expect(tokens.size).toBe(PAIRS);
  for (const types of tokens.values()) expect(types).toEqual(["acquired", "released"]);
  const revisions = seen.map(({ cursor }) => Number(cursor.slice(cursor.lastIndexOf(".") + 1)));
  expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));

  // Caught up, it is told at once again.
  const next = feed.next();
  await hold(backend, "last");
  expect((await next).value.lease.claims[0].resource).toBe("last");
  await feed.return?.();
  await backend.close();
});

test("what was compacted away while it lagged is no silent gap: it reads what it has, and then CURSOR_EXPIRED", async () => {
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "slow-compacted" });
  const { feed, seen } = await lag(backend);
  await compact(client);
  const failure = await (async () => {
    for (;;) seen.push((await feed.next()).value);
  })().catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "CURSOR_EXPIRED" });
  expect(seen.length).toBeGreaterThan(100);
  expect(seen.length).toBeLessThan(2 + 2 * PAIRS);
  expect(new Set(seen.map(({ cursor }) => cursor)).size).toBe(seen.length);
  await backend.close();
});

test("an etcd that stops in the middle of a history: the reading ends with an error, and does not hang", async () => {
  const doomed = await startEtcd();
  const backend = etcdBackend({ hosts: doomed.endpoints, timeoutMs: 500 });
  try {
    // etcd sends 1,000 revisions at a time: this is more than are read and waiting.
    await pairs(backend, 4 * PAIRS);
    const reading = backend.changes({})[Symbol.asyncIterator]();
    await reading.next();
    await until(async () => ((await watchers(doomed)) === 0 ? true : undefined));
    await doomed.members[0]?.kill();
    const failure = await (async () => {
      while ((await reading.next()).done !== true);
    })().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  } finally {
    await backend.close();
    await doomed.stop();
  }
});
