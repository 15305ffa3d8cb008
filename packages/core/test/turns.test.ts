import { expect, test } from "vitest";
import { type TurnCheck, Turns } from "../src/backend/turns.js";
import { HandClock } from "./hand-clock.js";

const START = 1000;

/** Waiters whose checks the test decides; says which waits have ended. */
function setup() {
  const clock = new HandClock(START);
  const checks = new Map<string, TurnCheck>();
  let checked = 0;
  const turns = new Turns(clock, (id) => {
    checked += 1;
    const check = checks.get(id);
    if (check === undefined) throw new Error(`no check for ${id}`);
    return check;
  });
  const ended: string[] = [];
  return {
    clock,
    turns,
    checks,
    ended,
    checked: () => checked,
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

const reached: TurnCheck = { reached: true, checkAgainAt: START };
const notBefore = (checkAgainAt: number): TurnCheck => ({ reached: false, checkAgainAt });

test("who can be granted already does not wait", async () => {
  const { turns, checks, wait, clock } = setup();
  checks.set("a", reached);
  await wait("a");
  expect(turns.waiting).toBe(false);
  expect(clock.timers).toBe(0);
});

test("check wakes those whose turn it is, and nobody else", async () => {
  const { turns, checks, wait, settled, clock } = setup();
  checks.set("a", notBefore(START + 5000));
  checks.set("b", notBefore(START + 5000));
  void wait("a");
  void wait("b");
  checks.set("b", reached);
  turns.check();
  expect(await settled()).toEqual(["b"]);
  expect(clock.timers).toBe(1);
});

test("checks again when time alone can change the answer", async () => {
  const { clock, checks, wait, settled } = setup();
  checks.set("a", notBefore(START + 500));
  void wait("a");
  clock.advance(499);
  checks.set("a", reached);
  expect(await settled()).toEqual([]);
  clock.advance(1);
  expect(await settled()).toEqual(["a"]);
});

test("a blocker that now ends sooner is checked sooner", async () => {
  const { clock, turns, checks, wait, settled } = setup();
  checks.set("a", notBefore(START + 15_000));
  void wait("a");
  // The pending blocker was granted, for 100 ms: less than it had left to wait.
  checks.set("a", notBefore(START + 100));
  turns.check();
  checks.set("a", reached);
  clock.advance(100);
  expect(await settled()).toEqual(["a"]);
  expect(clock.timers).toBe(0);
});

test("a blocker that ends later costs no new timer at every check", async () => {
  const { clock, turns, checks, wait, checked } = setup();
  checks.set("a", notBefore(START + 100));
  void wait("a");
  checks.set("a", notBefore(START + 5000));
  for (let renewal = 0; renewal < 10; renewal += 1) turns.check();
  expect(clock.timers).toBe(1);
  clock.advance(200);
  expect(clock.timers).toBe(1);
  expect(checked()).toBe(12);
});

test("ends at its timeout", async () => {
  const { clock, checks, wait, settled } = setup();
  checks.set("a", notBefore(START + 5000));
  void wait("a", 300);
  clock.advance(299);
  expect(await settled()).toEqual([]);
  clock.advance(1);
  expect(await settled()).toEqual(["a"]);
});

test("a timeout of 0 checks once", async () => {
  const { checks, wait, clock } = setup();
  checks.set("a", notBefore(START + 5000));
  await wait("a", 0);
  expect(clock.timers).toBe(0);
});

test("a check that lies in the past does not spin", async () => {
  const { clock, checks, wait, checked } = setup();
  checks.set("a", notBefore(START - 10));
  void wait("a");
  clock.advance(10);
  expect(checked()).toBe(11);
});

test("ends when its signal aborts, before or during", async () => {
  const { turns, checks, wait, clock } = setup();
  checks.set("a", notBefore(START + 5000));
  const controller = new AbortController();
  const waiting = wait("a", 60_000, controller.signal);
  controller.abort();
  await waiting;
  await wait("a", 60_000, controller.signal);
  expect(turns.waiting).toBe(false);
  expect(clock.timers).toBe(0);
});

test("what the check throws reaches its own waiter only", async () => {
  const { turns, checks, wait, settled } = setup();
  checks.set("a", notBefore(START + 5000));
  checks.set("b", notBefore(START + 5000));
  const failing = wait("a");
  void wait("b");
  checks.delete("a");
  turns.check();
  await expect(failing).rejects.toThrow("no check for a");
  await expect(wait("c")).rejects.toThrow("no check for c");
  expect(await settled()).toEqual([]);
  expect(turns.waiting).toBe(true);
});

test("close ends every wait with CLOSED", async () => {
  const { turns, checks, wait, clock } = setup();
  checks.set("a", notBefore(START + 5000));
  const waiting = wait("a");
  turns.close();
  await expect(waiting).rejects.toMatchObject({ code: "CLOSED" });
  expect(clock.timers).toBe(0);
});

test("a step concerns only the waiters whose lease it moved", async () => {
  const { turns, checks, wait, settled, checked } = setup();
  const behind = (blockedBy: string): TurnCheck => ({ ...notBefore(START + 5000), blockedBy });
  for (let place = 1; place < 1000; place += 1) {
    checks.set(`w${place}`, behind(`w${place - 1}`));
    void wait(`w${place}`);
  }
  const before = checked();
  turns.check(["somewhere else"]);
  expect(checked()).toBe(before);

  checks.set("w1", reached);
  turns.check(["w0"]);
  expect(await settled()).toEqual(["w1"]);
  expect(checked()).toBe(before + 1);

  // One in the middle leaves: itself and the one behind it are checked, which is then behind another.
  checks.set("w500", reached);
  checks.set("w501", behind("w499"));
  turns.check(["w500"]);
  expect(await settled()).toEqual(["w1", "w500"]);
  expect(checked()).toBe(before + 3);
  turns.check(["w500"]);
  expect(checked()).toBe(before + 3);
  turns.check(["w499"]);
  expect(checked()).toBe(before + 5);
});

test("where it is not known what moved, or what is in the way, every waiter is checked", async () => {
  const { turns, checks, wait, checked } = setup();
  checks.set("a", { ...notBefore(START + 5000), blockedBy: "holder" });
  checks.set("b", notBefore(START + 5000));
  void wait("a");
  void wait("b");
  turns.check(["another"]);
  expect(checked()).toBe(3);
  turns.check();
  expect(checked()).toBe(5);
});
