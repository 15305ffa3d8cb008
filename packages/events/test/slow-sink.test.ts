import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { memoryBackend } from "@lease/core";
import { expect, test } from "vitest";
import { eventRouter, memoryCursorStore, type WhenFull } from "../src/index.ts";
import { comeAndGo, gate, historyOf, memorySink, noReport, reports, until } from "./support.ts";

/** Twenty events for a sink that hangs at the first and has room for four more. */
async function overflow(whenFull: WhenFull) {
  const backend = memoryBackend();
  const cursors = memoryCursorStore();
  const { opened, open } = gate();
  const sink = memorySink(() => opened);
  const told = reports();
  const router = eventRouter({
    backend,
    sinks: { slow: { sink, bufferSize: 4, whenFull } },
    cursors,
    onReport: told.onReport,
  });
  await router.start();
  for (let n = 0; n < 10; n += 1) {
    await comeAndGo(backend, 1);
    await new Promise(setImmediate);
  }
  const all = await historyOf(backend);
  return { backend, sink, open, told, router, all, stored: () => cursors.load("slow") };
}

test("block: what does not fit waits in the store, and arrives", async () => {
  const { sink, open, told, router, all } = await overflow("block");
  // Long enough for the feed to be let go.
  await sleep(1_200);
  expect(sink.cursors).toEqual([]);
  open();
  await until(() => expect(sink.cursors).toEqual(all));
  expect(told.all).toEqual([]);
  await router.stop();
});

test("drop-oldest: the newest arrive, and what was dropped is counted", async () => {
  const { sink, open, told, router, all, stored } = await overflow("drop-oldest");
  // Not only once there is room again: a sink that hangs for ever makes none.
  expect(told.of("dropped").length).toBeGreaterThan(1);
  open();
  await until(() => expect(sink.cursors).toEqual([all[0], ...all.slice(-4)]));
  await router.stop();
  expect(told.of("dropped").every(({ sink, policy }) => sink === "slow" && policy === "drop-oldest")).toBe(
    true,
  );
  expect(told.of("dropped").reduce((sum, { count }) => sum + count, 0)).toBe(15);
  expect(told.of("dropped")[0]?.first).toBe(all[1]);
  expect(told.of("dropped").at(-1)?.last).toBe(all[15]);
  expect(await stored()).toBe(all.at(-1));
});

test("drop-newest: the oldest arrive, what was dropped is counted, and it does not come back", async () => {
  const { sink, open, told, router, all, stored } = await overflow("drop-newest");
  open();
  await until(() => expect(sink.cursors).toEqual(all.slice(0, 5)));
  await router.stop();
  expect(told.of("dropped").reduce((sum, { count }) => sum + count, 0)).toBe(15);
  expect(told.of("dropped")[0]?.first).toBe(all[5]);
  expect(told.of("dropped").at(-1)?.last).toBe(all.at(-1));
  expect(await stored()).toBe(all.at(-1));
});

test("stop: the route says so, delivers what it has, and a new start goes on behind it", async () => {
  const { sink, open, told, router, all } = await overflow("stop");
  expect(told.all).toMatchObject([{ sink: "slow", type: "stopped", why: "full" }]);
  open();
  await until(() => expect(sink.cursors).toEqual(all.slice(0, 5)));
  await until(() => expect(sink.closed).toBe(1));
  await router.stop();
  await router.start();
  await until(() => expect(sink.cursors.length).toBeGreaterThan(5));
  expect(sink.cursors[5]).toBe(all[5]);
  await router.stop();
});

test("the drop of one sink is no other's", async () => {
  const backend = memoryBackend();
  const slow = memorySink((_, signal) => once(signal, "abort"));
  const well = memorySink();
  const told = reports();
  const router = eventRouter({
    backend,
    sinks: { slow: { sink: slow, bufferSize: 1, whenFull: "drop-newest" }, well },
    cursors: memoryCursorStore(),
    onReport: (report) => (report.sink === "slow" ? told.onReport(report) : noReport(report)),
  });
  await router.start();
  await comeAndGo(backend, 50);
  const all = await historyOf(backend);
  await until(() => expect(well.cursors).toEqual(all));
  expect(told.of("dropped").reduce((sum, { count }) => sum + count, 0)).toBeGreaterThan(90);
  await router.stop({ graceMs: 0 });
});
