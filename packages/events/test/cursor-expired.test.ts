import { setTimeout as sleep } from "node:timers/promises";
import type { LeaseBackend } from "@lease/core";
import type { ChangesOptions } from "@lease/core/backend";
import { expect } from "vitest";
import { type CursorStore, eventRouter, memoryCursorStore, type WhenCursorExpired } from "../src/index.ts";
import { testOnStores } from "./stores.ts";
import { comeAndGo, historyOf, memorySink, QUICK, reports, until } from "./support.ts";

/** A route that was away while the history it had not read was pruned; three leases came and went after that. */
async function awayTooLong(backend: LeaseBackend, whenCursorExpired: WhenCursorExpired) {
  const cursors = memoryCursorStore();
  const sink = memorySink();
  const told = reports();
  const { onReport } = told;
  const router = eventRouter({
    backend,
    sinks: { sink },
    cursors,
    whenCursorExpired,
    backoff: QUICK,
    onReport,
  });
  await router.start();
  await comeAndGo(backend, 1);
  await until(() => expect(sink.cursors).toHaveLength(2));
  await router.stop();
  const seen = sink.cursors.splice(0);

  await comeAndGo(backend, 2);
  await prune(backend);
  await comeAndGo(backend, 3);
  await router.start();
  return { router, sink, told, cursors, lastSeen: seen.at(-1), kept: await historyOf(backend) };
}

async function prune(backend: LeaseBackend): Promise<void> {
  await sleep(5);
  await backend.sweep({ historyRetentionMs: 1 });
}

testOnStores("stop: says so and stops, the cursor as it was", async ({ backend }) => {
  const { router, sink, told, cursors, lastSeen } = await awayTooLong(backend, "stop");
  await until(() =>
    expect(told.all).toMatchObject([
      {
        type: "cursor-expired",
        sink: "sink",
        cursor: lastSeen,
        policy: "stop",
        error: { code: "CURSOR_EXPIRED" },
      },
      { type: "stopped", sink: "sink", why: "cursor-expired" },
    ]),
  );
  expect(sink.cursors).toEqual([]);
  expect(await cursors.load("sink")).toBe(lastSeen);
  await router.stop();
});

testOnStores("start: says so and goes on at the oldest entry kept", async ({ backend }) => {
  const { router, sink, told, lastSeen, kept } = await awayTooLong(backend, "start");
  await until(() => expect(sink.cursors).toEqual(kept));
  expect(kept).toHaveLength(6);
  expect(told.all).toMatchObject([{ type: "cursor-expired", cursor: lastSeen, policy: "start" }]);
  await router.stop();
});

testOnStores("end: says so and goes on with what is new", async ({ backend }) => {
  const { router, sink, told, cursors, kept } = await awayTooLong(backend, "end");
  // Stored within a second, so that the gap is not told again after a crash.
  await until(() => expectStored(cursors, kept.at(-1)));
  await comeAndGo(backend, 1);
  const expected = (await historyOf(backend)).slice(kept.length);
  await until(() => expect(sink.cursors).toEqual(expected));
  expect(told.all).toMatchObject([{ type: "cursor-expired", policy: "end" }]);
  await router.stop();
});

testOnStores("a cursor of another history is told as expired", async ({ backend }) => {
  const told = reports();
  const cursors: CursorStore = { load: async () => "0198-elsewhere.7", save: async () => {} };
  const sink = memorySink();
  await using router = eventRouter({ backend, sinks: { sink }, cursors, onReport: told.onReport });
  await router.start();
  await until(() => expect(told.of("stopped")).toMatchObject([{ why: "cursor-expired" }]));
});

testOnStores("what a slow sink has not read before it is pruned is told", async ({ backend }) => {
  const told = reports();
  let slow = true;
  const sink = memorySink(async () => {
    while (slow) await sleep(5);
  });
  let feeds = 0;
  async function* changes(options: ChangesOptions) {
    feeds += 1;
    try {
      yield* backend.changes(options);
    } finally {
      feeds -= 1;
    }
  }
  await using router = eventRouter({
    backend: { ...backend, changes },
    sinks: { sink: { sink, bufferSize: 1 } },
    cursors: memoryCursorStore(),
    backoff: QUICK,
    whenCursorExpired: "start",
    onReport: told.onReport,
  });
  await router.start();
  await comeAndGo(backend, 300);
  const all = await historyOf(backend);
  // Also the feed of a store that sends ahead is let go.
  await until(() => expect(feeds).toBe(0));
  await prune(backend);
  await comeAndGo(backend, 1);
  slow = false;
  const kept = await historyOf(backend);
  expect(kept.length).toBeLessThan(10);
  await until(() => expect(sink.cursors.at(-1)).toBe(kept.at(-1)));
  expect(told.of("cursor-expired").length).toBe(1);
  // Delivered is a stretch without a gap, and then the rest.
  const gapAt = sink.cursors.indexOf(told.of("cursor-expired")[0]?.cursor ?? "");
  expect(sink.cursors.slice(0, gapAt + 1)).toEqual(all.slice(0, gapAt + 1));
  expect(sink.cursors.slice(gapAt + 1)).toEqual(kept);
});

async function expectStored(cursors: CursorStore, cursor: string | undefined): Promise<void> {
  expect(await cursors.load("sink")).toBe(cursor);
}
