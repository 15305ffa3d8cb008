import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "../src/clock.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("calls once after the delay", () => {
  const run = vi.fn();
  systemClock.schedule(50, run);
  vi.advanceTimersByTime(49);
  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1000);
  expect(run).toHaveBeenCalledTimes(1);
});

test("does not call once cancelled", () => {
  const run = vi.fn();
  systemClock.schedule(50, run)();
  vi.advanceTimersByTime(1000);
  expect(run).not.toHaveBeenCalled();
});

test("a delay that no timer can hold does not fire at once", () => {
  const run = vi.fn();
  systemClock.schedule(Number.POSITIVE_INFINITY, run);
  vi.advanceTimersByTime(24 * 24 * 3_600_000);
  expect(run).not.toHaveBeenCalled();
});

test("a negative delay is none", () => {
  const run = vi.fn();
  systemClock.schedule(-5, run);
  vi.advanceTimersByTime(1);
  expect(run).toHaveBeenCalledTimes(1);
});

test("monotonic time and wall time are the machine's", () => {
  const now = systemClock.now();
  vi.advanceTimersByTime(250);
  expect(systemClock.now() - now).toBe(250);
  vi.setSystemTime(Date.UTC(2030, 0, 1));
  expect(systemClock.wallNow()).toBe(Date.UTC(2030, 0, 1));
});

test("the time since the boot, which counts sleep, is there where Linux has it, and goes on with the others", () => {
  vi.useRealTimers();
  const { bootNow } = systemClock;
  if (process.platform !== "linux") return expect(bootNow).toBeUndefined();
  const apart = () => (bootNow?.() as number) - systemClock.now();
  const before = apart();
  const until = systemClock.now() + 50;
  while (systemClock.now() < until);
  expect(Math.abs(apart() - before)).toBeLessThan(5_000);
  expect(bootNow?.()).toBeGreaterThan(systemClock.now());
});

test("a timer in the background does not keep the process alive, another one does", () => {
  vi.useRealTimers();
  const spy = vi.spyOn(globalThis, "setTimeout");
  const timers = [true, false].map((background) => {
    const cancel = systemClock.schedule(60_000, () => {}, { background });
    const timer = spy.mock.results.at(-1)?.value as NodeJS.Timeout;
    const keepsAlive = timer.hasRef();
    cancel();
    return keepsAlive;
  });
  spy.mockRestore();
  expect(timers).toEqual([false, true]);
});
