import { expect, test } from "vitest";
import { type TurnLook, Turns } from "../src/backend/turns.js";
import { HandClock } from "./hand-clock.js";

const START = 1000;

/** Waiters whose looks the test decides; tells which waits have ended. */
function setup() {
  const clock = new HandClock(START);
  const looks = new Map<string, TurnLook>();
  let looked = 0;
  const turns = new Turns(clock, (id) => {
    looked += 1;
    const look = looks.get(id);
    if (look === undefined) throw new Error(`no look for ${id}`);
    return look;
  });
  const ended: string[] = [];
  return {
    clock,
    turns,
    looks,
    ended,
    looked: () => looked,
    wait(id: string, timeoutMs = 60_000, signal?: AbortSignal): Promise<void> {
      return turns.wait({ id, timeoutMs, signal }).then(() => {
        ended.push(id);
      });
    },
    /** Promises that are settled have said so. */
    async settled(): Promise<string[]> {
      await new Promise((resolve) => setImmediate(resolve));
      return ended;
    },
  };
}

const reached: TurnLook = { reached: true, lookAgainAt: START };
const notBefore = (lookAgainAt: number): TurnLook => ({ reached: false, lookAgainAt });

test("who can be granted already does not wait", async () => {
  const { turns, looks, wait, clock } = setup();
  looks.set("a", reached);
  await wait("a");
  expect(turns.waiting).toBe(false);
  expect(clock.timers).toBe(0);
});

test("check wakes those whose turn it is, and nobody else", async () => {
  const { turns, looks, wait, settled, clock } = setup();
  looks.set("a", notBefore(START + 5000));
  looks.set("b", notBefore(START + 5000));
  void wait("a");
  void wait("b");
  looks.set("b", reached);
  turns.check();
  expect(await settled()).toEqual(["b"]);
  expect(clock.timers).toBe(1);
});

test("looks again when time alone can change the answer", async () => {
  const { clock, looks, wait, settled } = setup();
  looks.set("a", notBefore(START + 500));
  void wait("a");
  clock.advance(499);
  looks.set("a", reached);
  expect(await settled()).toEqual([]);
  clock.advance(1);
  expect(await settled()).toEqual(["a"]);
});

test("a blocker that now ends sooner is looked at sooner", async () => {
  const { clock, turns, looks, wait, settled } = setup();
  looks.set("a", notBefore(START + 15_000));
  void wait("a");
  // The pending blocker was granted, for 100 ms: less than it had left to wait.
  looks.set("a", notBefore(START + 100));
  turns.check();
  looks.set("a", reached);
  clock.advance(100);
  expect(await settled()).toEqual(["a"]);
  expect(clock.timers).toBe(0);
});

test("a blocker that ends later costs no new timer at every check", async () => {
  const { clock, turns, looks, wait, looked } = setup();
  looks.set("a", notBefore(START + 100));
  void wait("a");
  looks.set("a", notBefore(START + 5000));
  for (let renewal = 0; renewal < 10; renewal += 1) turns.check();
  expect(clock.timers).toBe(1);
  clock.advance(200);
  expect(clock.timers).toBe(1);
  expect(looked()).toBe(12);
});

test("ends at its timeout", async () => {
  const { clock, looks, wait, settled } = setup();
  looks.set("a", notBefore(START + 5000));
  void wait("a", 300);
  clock.advance(299);
  expect(await settled()).toEqual([]);
  clock.advance(1);
  expect(await settled()).toEqual(["a"]);
});

test("a timeout of 0 looks once", async () => {
  const { looks, wait, clock } = setup();
  looks.set("a", notBefore(START + 5000));
  await wait("a", 0);
  expect(clock.timers).toBe(0);
});

test("a look that lies in the past does not spin", async () => {
  const { clock, looks, wait, looked } = setup();
  looks.set("a", notBefore(START - 10));
  void wait("a");
  clock.advance(10);
  expect(looked()).toBe(11);
});

test("ends when its signal aborts, before or during", async () => {
  const { turns, looks, wait, clock } = setup();
  looks.set("a", notBefore(START + 5000));
  const controller = new AbortController();
  const waiting = wait("a", 60_000, controller.signal);
  controller.abort();
  await waiting;
  await wait("a", 60_000, controller.signal);
  expect(turns.waiting).toBe(false);
  expect(clock.timers).toBe(0);
});

test("what the look throws reaches its own waiter only", async () => {
  const { turns, looks, wait, settled } = setup();
  looks.set("a", notBefore(START + 5000));
  looks.set("b", notBefore(START + 5000));
  const failing = wait("a");
  void wait("b");
  looks.delete("a");
  turns.check();
  await expect(failing).rejects.toThrow("no look for a");
  await expect(wait("c")).rejects.toThrow("no look for c");
  expect(await settled()).toEqual([]);
  expect(turns.waiting).toBe(true);
});

test("close ends every wait with CLOSED", async () => {
  const { turns, looks, wait, clock } = setup();
  looks.set("a", notBefore(START + 5000));
  const waiting = wait("a");
  turns.close();
  await expect(waiting).rejects.toMatchObject({ code: "CLOSED" });
  expect(clock.timers).toBe(0);
});
