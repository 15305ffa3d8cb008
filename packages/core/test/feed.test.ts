import { expect, test } from "vitest";
import type { ChangesOptions } from "../src/backend/backend.js";
import { Bell } from "../src/backend/bell.js";
import { type HistorySource, readChanges } from "../src/backend/feed.js";
import { formatCursor } from "../src/backend/history.js";
import { leaseOf } from "../src/backend/record.js";
import type { LeaseEvent, LeaseEventType } from "../src/model/model.js";
import { recordWith } from "./records.js";

/** A history in memory that tests write to and prune. */
class TestHistory implements HistorySource {
  readonly bell = new Bell();
  entries: { readonly sequence: number; readonly event: LeaseEvent }[] = [];
  #last = 0;
  #prunedThrough = 0;

  write(type: LeaseEventType = "renewed", agentId = "agent-1"): void {
    this.#last += 1;
    const lease = leaseOf(recordWith({ agentId }), 0, { now: 1000, wallNow: 0 });
    const cursor = formatCursor("e", this.#last);
    this.entries.push({
      sequence: this.#last,
      event: { cursor, type, at: lease.requestedAt, lease, by: null, reason: null },
    });
    this.bell.ring();
  }

  prune(through: number): void {
    this.#prunedThrough = through;
    this.entries = this.entries.filter(({ sequence }) => sequence > through);
  }

  bounds() {
    return { epoch: "e", prunedThrough: this.#prunedThrough, last: this.#last };
  }

  page(sequence: number, limit: number) {
    const entries = this.entries.filter((entry) => entry.sequence > sequence).slice(0, limit);
    return { entries, prunedThrough: this.#prunedThrough };
  }

  entryAfter(sequence: number, signal: AbortSignal | undefined): Promise<void> {
    return this.#last > sequence ? Promise.resolve() : this.bell.wait(signal);
  }
}

function history(events: number): TestHistory {
  const source = new TestHistory();
  for (let count = 0; count < events; count += 1) source.write();
  return source;
}

async function cursors(options: ChangesOptions, source: HistorySource): Promise<string[]> {
  const read: string[] = [];
  for await (const event of readChanges(options, source)) read.push(event.cursor);
  return read;
}

test("without follow: everything kept, in order, then the end", async () => {
  expect(await cursors({}, history(3))).toEqual(["e.1", "e.2", "e.3"]);
  expect(await cursors({}, history(0))).toEqual([]);
});

test("without follow it ends where the history ended when it began", async () => {
  const source = history(2);
  const reading = readChanges({}, source);
  await reading.next();
  source.write();
  const rest = [];
  for await (const event of reading) rest.push(event.cursor);
  expect(rest).toEqual(["e.2"]);
});

test("a history longer than a page is read whole", async () => {
  const read = await cursors({}, history(600));
  expect(read).toHaveLength(600);
  expect(read.at(-1)).toBe("e.600");
});

test("goes on after a cursor, or at the end", async () => {
  expect(await cursors({ after: "e.2" }, history(3))).toEqual(["e.3"]);
  expect(await cursors({ after: "e.3" }, history(3))).toEqual([]);
  expect(await cursors({ after: "end" }, history(3))).toEqual([]);
});

test("after pruning it begins at the oldest entry kept", async () => {
  const source = history(3);
  source.prune(2);
  expect(await cursors({}, source)).toEqual(["e.3"]);
});

test("filters by type and as lists do", async () => {
  const source = new TestHistory();
  source.write("acquired", "agent-1");
  source.write("acquired", "agent-2");
  source.write("released", "agent-1");
  expect(await cursors({ types: ["acquired"] }, source)).toEqual(["e.1", "e.2"]);
  expect(await cursors({ types: ["acquired"], agentId: "agent-2" }, source)).toEqual(["e.2"]);
  expect(await cursors({ types: [] }, source)).toEqual([]);
});

test("with follow it goes on as entries come, until the signal aborts", async () => {
  const source = history(1);
  const controller = new AbortController();
  const read: string[] = [];
  const reading = (async () => {
    for await (const event of readChanges({ follow: true, signal: controller.signal }, source)) {
      read.push(event.cursor);
      if (read.length === 3) controller.abort();
      else setImmediate(() => source.write());
    }
  })();
  await reading;
  expect(read).toEqual(["e.1", "e.2", "e.3"]);
  expect(source.bell.waiting).toBe(false);
});

test("a signal that aborts while nothing happens ends it quietly", async () => {
  const source = history(0);
  const controller = new AbortController();
  const reading = cursors({ follow: true, signal: controller.signal }, source);
  setImmediate(() => controller.abort());
  expect(await reading).toEqual([]);
  expect(await cursors({ follow: true, signal: controller.signal }, source)).toEqual([]);
});

test("a reader that pruning overtook gets CURSOR_EXPIRED, not a gap", async () => {
  const source = history(300);
  const reading = readChanges({}, source);
  await reading.next();
  source.prune(290);
  // What was read in one page with the first entry is complete; the gap is behind it.
  const rest = (async () => {
    for await (const _ of reading);
  })();
  await expect(rest).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
});

test("a follower that has read all is not disturbed by pruning", async () => {
  const source = history(1);
  const controller = new AbortController();
  const reading = readChanges({ follow: true, signal: controller.signal }, source);
  await reading.next();
  const next = reading.next();
  source.prune(1);
  source.write();
  expect(await next).toMatchObject({ value: { cursor: "e.2" } });
  controller.abort();
});

test("a follower of a backend that closes gets CLOSED", async () => {
  const source = history(0);
  const reading = cursors({ follow: true }, source);
  setImmediate(() => source.bell.close());
  await expect(reading).rejects.toMatchObject({ code: "CLOSED" });
});

test("a cursor that nobody can go on from is refused at the first read", async () => {
  await expect(cursors({ after: "e.9" }, history(3))).rejects.toMatchObject({ code: "CURSOR_EXPIRED" });
});
