import { describe, expect, test } from "vitest";
import { Join, type JoinedCall, type JoinOptions } from "../src/backend/join.js";

/** A join whose batches are flushed and answered by hand. */
function byHand(options: Partial<JoinOptions<number, string>> & { readonly most: number }) {
  const flushes: (() => void)[] = [];
  const sent: { readonly requests: number[]; answer(): void; fail(error: Error): void }[] = [];
  const join = new Join<number, string>({
    schedule: (flush) => flushes.push(flush),
    send: (calls: readonly JoinedCall<number, string>[]) =>
      new Promise((resolve, reject) => {
        sent.push({
          requests: calls.map(({ request }) => request),
          answer() {
            for (const { request, resolve: settle } of calls) settle(`${request}`);
            resolve();
          },
          fail: reject,
        });
      }),
    ...options,
  });
  /** Runs what is scheduled, and what that schedules. */
  const flush = () => {
    for (let next = flushes.shift(); next !== undefined; next = flushes.shift()) next();
  };
  const call = (count: number, from = 0) => {
    const calls = Array.from({ length: count }, (_, index) => join.call(from + index));
    for (const each of calls) each.catch(() => {});
    return calls;
  };
  const sizes = () => sent.map(({ requests }) => requests.length);
  return { join, sent, flush, flushes, call, sizes };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("calls that are made together travel together, in their order, each with its own answer", async () => {
  const { sent, flush, flushes, call } = byHand({ most: 10 });
  const calls = call(3);
  expect(flushes.length).toBe(1);
  flush();
  expect(sent.map(({ requests }) => requests)).toEqual([[0, 1, 2]]);
  sent[0]?.answer();
  expect(await Promise.all(calls)).toEqual(["0", "1", "2"]);
});

test("no batch is larger than the most, and the next one waits for its place", async () => {
  const { sent, flush, call, sizes } = byHand({ most: 4 });
  call(10);
  flush();
  expect(sizes()).toEqual([4]);
  sent[0]?.answer();
  await settled();
  flush();
  expect(sent.map(({ requests }) => requests)).toEqual([
    [0, 1, 2, 3],
    [4, 5, 6, 7],
  ]);
});

test("as many batches as may be under way are sent at once", () => {
  const { flush, call, sizes } = byHand({ most: 4, atOnce: 2 });
  call(10);
  flush();
  expect(sizes()).toEqual([4, 4]);
});

describe("in shares", () => {
  const options = { most: 32, least: 8, shares: 2, atOnce: Number.POSITIVE_INFINITY };

  test.each([
    [3, [3]],
    [12, [8, 4]],
    [40, [20, 20]],
    [100, [32, 32, 32, 4]],
  ])("%d calls travel as %j", (count, expected) => {
    const { flush, call, sizes } = byHand(options);
    call(count);
    flush();
    expect(sizes()).toEqual(expected);
  });

  test("those under way count", () => {
    const { flush, call, sizes } = byHand(options);
    call(30);
    flush();
    expect(sizes()).toEqual([15, 15]);
    call(20);
    flush();
    expect(sizes()).toEqual([15, 15, 20]);
  });
});

test("a batch that fails rejects those of its calls that were not settled, and no others", async () => {
  const { sent, flush, call } = byHand({ most: 2, atOnce: 2 });
  const calls = call(4);
  flush();
  sent[0]?.fail(new Error("broken"));
  sent[1]?.answer();
  const outcomes = await Promise.allSettled(calls);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled", "fulfilled"]);
});

describe("after close", () => {
  const closedError = () => new Error("closed");

  test("queued calls are rejected where that is asked, later ones always; it ends with what is under way", async () => {
    const { join, sent, flush, call } = byHand({ most: 2 });
    const calls = call(3);
    flush();
    let isClosed = false;
    const closing = join.close(closedError, "reject").then(() => {
      isClosed = true;
    });
    await expect(calls[2]).rejects.toThrow("closed");
    await expect(join.call(9)).rejects.toThrow("closed");
    await settled();
    expect(isClosed).toBe(false);
    sent[0]?.answer();
    await closing;
    expect(await calls[0]).toBe("0");
  });

  test("queued calls are still sent where that is asked", async () => {
    const { join, sent, flush, call } = byHand({ most: 2 });
    const calls = call(3);
    flush();
    const closing = join.close(closedError, "send");
    sent[0]?.answer();
    await settled();
    flush();
    sent[1]?.answer();
    await closing;
    expect(await Promise.all(calls)).toEqual(["0", "1", "2"]);
  });

  test("with nothing under way it ends at once, also where a flush is scheduled for calls that were rejected", async () => {
    const { join, flush, call } = byHand({ most: 2 });
    const [rejected] = call(1);
    await join.close(closedError, "reject");
    await expect(rejected).rejects.toThrow("closed");
    flush();
  });
});
