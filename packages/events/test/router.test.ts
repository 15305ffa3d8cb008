import { isLeaseError, LeaseError, memoryBackend } from "@lease/core";
import { expect, test } from "vitest";
import { type DeadLetter, eventRouter, fileCursorStore, memoryCursorStore } from "../src/index.ts";
import { testOnStores } from "./stores.ts";
import {
  acquire,
  comeAndGo,
  gate,
  historyOf,
  memorySink,
  noReport,
  QUICK,
  reports,
  temporaryFolder,
  until,
} from "./support.ts";

testOnStores("every sink gets every event, in order, what was there before included", async ({ backend }) => {
  const [a, b] = [memorySink(), memorySink()];
  await comeAndGo(backend, 3);
  await using router = eventRouter({
    backend,
    sinks: { a, b: { sink: b, bufferSize: 1 } },
    cursors: memoryCursorStore(),
    onReport: noReport,
  });
  await router.start();
  await comeAndGo(backend, 10);
  const expected = await historyOf(backend);
  await until(() => expect([a.cursors, b.cursors]).toEqual([expected, expected]));
});

testOnStores("a new router goes on where the last one stopped", async ({ backend }, context) => {
  const folder = temporaryFolder(context);
  const sink = memorySink();
  const make = () =>
    eventRouter({ backend, sinks: { sink }, cursors: fileCursorStore(folder), onReport: noReport });
  await comeAndGo(backend, 2);
  for (let round = 1; round <= 3; round += 1) {
    const router = make();
    await router.start();
    await comeAndGo(backend, 2);
    await until(() => expect(sink.cursors).toHaveLength(4 + 4 * round));
    await router.stop();
    expect(sink.closed).toBe(round);
  }
  expect(sink.cursors).toEqual(await historyOf(backend));
});

testOnStores("from the end: nothing that was, everything that comes", async ({ backend }, context) => {
  await comeAndGo(backend, 5);
  const before = await historyOf(backend);
  const cursors = fileCursorStore(temporaryFolder(context));
  const never = memorySink();
  const router = eventRouter({ backend, sinks: { new: never }, cursors, from: "end", onReport: noReport });
  await router.start();
  await router.stop();

  // It was at the end once, so what happened while it was away is new.
  await comeAndGo(backend, 2);
  const sink = memorySink();
  await using again = eventRouter({
    backend,
    sinks: { new: sink },
    cursors,
    from: "end",
    onReport: noReport,
  });
  await again.start();
  await comeAndGo(backend, 1);
  const expected = (await historyOf(backend)).slice(before.length);
  await until(() => expect(sink.cursors).toEqual(expected));
  expect(never.cursors).toEqual([]);
});

testOnStores("filters pass over events, and the cursor moves on all the same", async ({ backend }) => {
  const cursors = memoryCursorStore();
  const [revoked, mine, below] = [memorySink(), memorySink(), memorySink()];
  const router = eventRouter({
    backend,
    sinks: {
      revoked: { sink: revoked, types: ["revoked"] },
      mine: { sink: mine, agentId: "me" },
      below: { sink: below, resource: "src/**" },
    },
    cursors,
    onReport: noReport,
  });
  await router.start();
  await acquire(backend, "src/app.ts");
  await acquire(backend, "docs", "me");
  await comeAndGo(backend, 5);
  const all = await historyOf(backend);
  await until(() => {
    expect(below.cursors).toEqual([all[0]]);
    expect(mine.cursors).toEqual([all[1]]);
  });
  for (const name of ["revoked", "mine", "below"])
    await until(async () => expect(await cursors.load(name)).toBe(all.at(-1)));
  expect(revoked.cursors).toEqual([]);
  await router.stop();
});

test("a failing sink and a hanging one hold up nobody else", async () => {
  const backend = memoryBackend();
  const { opened, open } = gate();
  const failing = memorySink(() => {
    throw new Error("no");
  });
  const [hanging, well] = [memorySink(() => opened), memorySink()];
  const { onReport, of } = reports();
  await using router = eventRouter({
    backend,
    sinks: { failing, hanging, well },
    cursors: memoryCursorStore(),
    backoff: QUICK,
    onReport,
  });
  await router.start();
  await comeAndGo(backend, 10);
  await until(() => expect(well.cursors).toHaveLength(20));
  await until(() => expect(of("retrying").length).toBeGreaterThan(2));
  expect(of("retrying")[1]).toMatchObject({ sink: "failing", attempt: 2, error: new Error("no") });
  expect([failing.cursors, hanging.cursors]).toEqual([[], []]);
  open();
  await until(() => expect(hanging.cursors).toEqual(well.cursors));
});

test("a sink that fails now and then gets every event in order", async () => {
  const backend = memoryBackend();
  let calls = 0;
  const sink = memorySink(() => {
    calls += 1;
    if (calls % 3 === 0) throw new Error("now and then");
  });
  await using router = eventRouter({
    backend,
    sinks: { sink },
    cursors: memoryCursorStore(),
    backoff: QUICK,
    onReport: () => {},
  });
  await router.start();
  await comeAndGo(backend, 10);
  const expected = await historyOf(backend);
  await until(() => expect(sink.cursors).toEqual(expected));
});

test("a feed that breaks is taken up where it broke", async () => {
  const store = memoryBackend();
  let broken = 0;
  const backend = {
    ...store,
    async *changes(options: Parameters<typeof store.changes>[0]) {
      let left = 3;
      for await (const event of store.changes(options)) {
        yield event;
        left -= 1;
        if (left > 0) continue;
        broken += 1;
        if (broken === 2) return;
        throw new LeaseError("BACKEND_UNAVAILABLE", "broken");
      }
    },
  };
  const sink = memorySink();
  const { onReport, of } = reports();
  await using router = eventRouter({
    backend,
    sinks: { sink },
    cursors: memoryCursorStore(),
    backoff: QUICK,
    onReport,
  });
  await router.start();
  await comeAndGo(store, 10);
  const expected = await historyOf(store);
  await until(() => expect(sink.cursors).toEqual(expected));
  expect(of("feed-failed").length).toBeGreaterThan(4);
});

test("an entry that makes no CloudEvent is a dead letter, not a delivery that never ends", async () => {
  const store = memoryBackend();
  const backend = {
    ...store,
    async *changes(options: Parameters<typeof store.changes>[0]) {
      for await (const event of store.changes(options))
        yield event.type === "acquired" ? { ...event, at: "once upon a time" } : event;
    },
  };
  const sink = memorySink();
  const letters: DeadLetter[] = [];
  await using router = eventRouter({
    backend,
    sinks: { sink },
    cursors: memoryCursorStore(),
    onReport: () => {},
    onDeadLetter: (letter) => void letters.push(letter),
  });
  await router.start();
  await comeAndGo(store, 1);
  const [acquired, released] = await historyOf(store);
  await until(() => expect(sink.cursors).toEqual([released]));
  expect(letters).toMatchObject([{ events: [{ cursor: acquired }], error: { refused: true } }]);
});

test("a backend that is closed stops its routes, and says so", async () => {
  const backend = memoryBackend();
  const { onReport, of } = reports();
  const sink = memorySink();
  await using router = eventRouter({ backend, sinks: { sink }, cursors: memoryCursorStore(), onReport });
  await router.start();
  await backend.close();
  await until(() => expect(of("stopped")).toMatchObject([{ sink: "sink", why: "feed" }]));
  await until(() => expect(sink.closed).toBe(1));
});

test("a cursor store that cannot load makes start() fail, and one that cannot save is reported", async () => {
  const backend = memoryBackend();
  const broken = async () => {
    throw new Error("disk");
  };
  const router = eventRouter({
    backend,
    sinks: { sink: memorySink(), other: { sink: memorySink(), cursors: memoryCursorStore() } },
    cursors: { load: broken, save: broken },
    onReport: noReport,
  });
  await expect(router.start()).rejects.toThrow("disk");

  const sink = memorySink();
  const { onReport, of } = reports();
  const cursors = { load: async () => null, save: broken };
  await using second = eventRouter({ backend, sinks: { sink }, cursors, onReport });
  await second.start();
  await comeAndGo(backend, 2);
  await until(() => expect(sink.cursors).toHaveLength(4));
  await until(() => expect(of("cursor-not-saved").length).toBeGreaterThan(0));
});

test("options that break a rule are refused by name", () => {
  const good = { backend: memoryBackend(), sinks: {}, cursors: memoryCursorStore(), onReport: () => {} };
  const sink = memorySink();
  const refused = (options: object) => {
    try {
      eventRouter({ ...good, ...options });
    } catch (error) {
      return isLeaseError(error, "INVALID_ARGUMENT") ? error.details.field : error;
    }
    return "accepted";
  };
  expect(refused({ sinks: { Upper: sink } })).toBe("sinks");
  expect(refused({ sinks: { "../x": sink } })).toBe("sinks");
  expect(refused({ source: "not a uri" })).toBe("source");
  expect(refused({ onReport: undefined })).toBe("onReport");
  expect(refused({ sinks: { sink }, bufferSize: 0 })).toBe("bufferSize");
  expect(refused({ sinks: { sink: { sink, whenFull: "burst" } } })).toBe("whenFull");
  expect(refused({ sinks: { sink: { sink, whenCursorExpired: "go" } } })).toBe("whenCursorExpired");
  expect(refused({ sinks: { sink }, backoff: { firstMs: 10, mostMs: 5 } })).toBe("backoff.mostMs");
  expect(refused({ sinks: { sink: { sink, types: ["gone"] } } })).toMatch(/^types/);
});
