import { expect, test } from "vitest";
import { simulatedClock } from "../src/index.js";

test("it stands still until it is told to move", async () => {
  const clock = simulatedClock({ now: 100, wallNow: 5_000 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect([clock.now(), clock.wallNow()]).toEqual([100, 5_000]);
  await clock.advance(50);
  expect([clock.now(), clock.wallNow()]).toEqual([150, 5_050]);
});

test("timers run at their own moment, in order, also those that a timer sets", async () => {
  const clock = simulatedClock({ now: 0 });
  const ran: string[] = [];
  const note = (name: string) => () => ran.push(`${name} at ${clock.now()}`);
  clock.schedule(30, note("late"));
  clock.schedule(10, note("first"));
  clock.schedule(10, note("second"));
  clock.schedule(20, () => clock.schedule(5, note("set on the way")));
  clock.schedule(31, note("not yet"));
  await clock.advance(30);
  expect(ran).toEqual(["first at 10", "second at 10", "set on the way at 25", "late at 30"]);
  expect(clock.timers).toBe(1);
});

test("promises settle between two timers", async () => {
  const clock = simulatedClock({ now: 0 });
  const seen: number[] = [];
  const sleep = (ms: number) => new Promise<void>((resolve) => void clock.schedule(ms, resolve));
  const walk = (async () => {
    for (let step = 0; step < 3; step += 1) {
      await sleep(10);
      seen.push(clock.now());
    }
  })();
  await clock.advance(30);
  expect(seen).toEqual([10, 20, 30]);
  await walk;
});

test("a cancelled timer does not run, nor one that is due later", async () => {
  const clock = simulatedClock();
  let ran = 0;
  const cancel = clock.schedule(10, () => {
    ran += 1;
  });
  cancel();
  cancel();
  await clock.advance(100);
  expect([ran, clock.timers]).toEqual([0, 0]);
});

test("calls that overlap run one after the other", async () => {
  const clock = simulatedClock({ now: 0 });
  await Promise.all([clock.advance(10), clock.advance(20)]);
  expect(clock.now()).toBe(30);
});

test("a machine that sleeps: the wall clock goes on, timers stand still", async () => {
  const clock = simulatedClock({ now: 0, wallNow: 0 });
  let ran = false;
  clock.schedule(10, () => {
    ran = true;
  });
  clock.suspend(3_600_000);
  await clock.advance(9);
  expect([clock.now(), clock.wallNow(), ran]).toEqual([9, 3_600_009, false]);
  await clock.advance(1);
  expect(ran).toBe(true);
});

test("a stepped wall clock moves nothing else", async () => {
  const clock = simulatedClock({ now: 0, wallNow: 10_000 });
  clock.stepWall(-20_000);
  expect([clock.now(), clock.wallNow()]).toEqual([0, -10_000]);
});

test("time does not go back", () => {
  expect(() => simulatedClock().advance(-1)).toThrow(RangeError);
});
