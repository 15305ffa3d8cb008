import { expect, test } from "vitest";
import { TurnWatch } from "../../src/manager/turn-watch.js";
import { HandClock } from "../hand-clock.js";

function watched() {
  const clock = new HandClock(0);
  let settle!: { resolve(): void; reject(error: Error): void };
  let signal!: AbortSignal;
  const watch = new TurnWatch(clock, (given) => {
    signal = given;
    return new Promise<void>((resolve, reject) => {
      settle = { resolve, reject };
    });
  });
  return { clock, watch, settle, signal };
}

test("a wait ends after its time, or with the call", async () => {
  const { clock, watch, settle } = watched();
  const first = watch.next(100);
  clock.advance(100);
  await first;
  const second = watch.next(100);
  settle.resolve();
  await second;
  expect(clock.timers).toBe(0);
});

test("a turn that comes while nothing waits for it is not missed", async () => {
  const { clock, watch, settle } = watched();
  settle.resolve();
  await Promise.resolve();
  await watch.next(1_000);
  expect(clock.timers).toBe(0);
});

test("what the call throws comes out of the next wait, and is no unhandled rejection", async () => {
  const { watch, settle } = watched();
  settle.reject(new Error("deaf"));
  await Promise.resolve();
  await expect(watch.next(1_000)).rejects.toThrow("deaf");
});

test("wake ends a wait, stop ends the call", async () => {
  const { clock, watch, signal } = watched();
  const next = watch.next(1_000);
  watch.wake();
  await next;
  expect(clock.timers).toBe(0);
  expect(signal.aborted).toBe(false);
  watch.stop();
  expect(signal.aborted).toBe(true);
});
