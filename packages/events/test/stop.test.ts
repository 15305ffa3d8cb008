import { memoryBackend } from "@lease/core";
import { expect, test } from "vitest";
import { eventRouter, memoryCursorStore, webhookSink } from "../src/index.ts";
import { Receiver, SECRET } from "./receiver.ts";
import { acquire, comeAndGo, gate, historyOf, memorySink, noReport, reports, until } from "./support.ts";

test("stop() ends within its bound, whatever sinks and stores do", async () => {
  const backend = memoryBackend();
  const forever = () => new Promise<never>(() => {});
  const cursors = memoryCursorStore();
  const router = eventRouter({
    backend,
    sinks: {
      deaf: memorySink(forever),
      throwing: memorySink(() => {
        throw new Error("no");
      }),
      "never-closed": { deliver: () => {}, close: forever },
      "never-saved": { sink: memorySink(), cursors: { load: async () => null, save: forever } },
      "never-loaded": { sink: memorySink(), cursors: { load: forever, save: forever } },
    },
    cursors,
    onReport: () => {
      throw new Error("also no");
    },
  });
  const started = router.start();
  await comeAndGo(backend, 3);
  // Hung on any of them it would not end before the test does.
  await router.stop({ graceMs: 100 });
  await started;
  expect(await cursors.load("deaf")).toBeNull();
});

test("a delivery under way may end within the grace, and then counts", async () => {
  const backend = memoryBackend();
  const cursors = memoryCursorStore();
  const { opened, open } = gate();
  let underWay = false;
  const sink = memorySink(() => {
    underWay = true;
    return opened;
  });
  const router = eventRouter({ backend, sinks: { sink }, cursors, onReport: noReport });
  await router.start();
  await comeAndGo(backend, 2);
  await until(() => expect(underWay).toBe(true));
  const stopped = router.stop({ graceMs: 50_000 });
  open();
  await stopped;
  const [first] = await historyOf(backend);
  expect(sink.cursors).toEqual([first]);
  expect(await cursors.load("sink")).toBe(first);
  expect(sink.closed).toBe(1);
});

test("a request that outlasts the grace is aborted, and made again after the next start", async (context) => {
  const receiver = await Receiver.start(context);
  receiver.answer = () => {};
  const backend = memoryBackend();
  const router = eventRouter({
    backend,
    sinks: { hook: webhookSink({ url: receiver.url, secrets: [SECRET] }) },
    cursors: memoryCursorStore(),
    onReport: noReport,
  });
  await router.start();
  await acquire(backend, "a");
  await until(() => expect(receiver.received).toHaveLength(1));
  await router.stop({ graceMs: 50 });
  receiver.answer = (response) => void response.writeHead(200).end();
  await router.start();
  await until(() => expect(receiver.received).toHaveLength(2));
  await router.stop();
  expect(new Set(receiver.cursors).size).toBe(1);
});

test("start and stop in any order: one run at a time", async () => {
  const backend = memoryBackend();
  const sink = memorySink();
  const { onReport, all } = reports();
  const router = eventRouter({ backend, sinks: { sink }, cursors: memoryCursorStore(), onReport });
  await router.stop();
  void router.start();
  void router.start();
  const stopped = router.stop();
  void router.start();
  await Promise.all([stopped, router.stop()]);
  await router.start();
  await router.start();
  await comeAndGo(backend, 2);
  const expected = await historyOf(backend);
  await until(() => expect(sink.cursors).toEqual(expected));
  await router.stop();
  expect(all).toEqual([]);
  expect(sink.cursors).toEqual(expected);
});
