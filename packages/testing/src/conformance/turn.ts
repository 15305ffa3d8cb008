import type { Lease, LeaseBackend } from "@lease/core";
import { check, equal } from "../assert.js";
import { background, type CaseContext, type Cases, exclusive, shared } from "./context.js";

export const turnCases: Cases = {
  async "a release by another client wakes the next in the queue"(c) {
    const held = await c.hold("r");
    await wokenBy(c, () => c.release(held));
  },

  async "a release by the same client wakes the next in the queue"(c) {
    const held = await c.hold("r", { on: c.other });
    await wokenBy(c, () => c.release(held, c.other));
  },

  async "a revoke wakes the next in the queue"(c) {
    const held = await c.hold("r");
    await wokenBy(c, () => c.revoke(held));
  },

  async "a waiter before it that leaves the queue wakes the next"(c) {
    const blocker = await c.hold(shared("r"));
    const writer = await c.queue("r", { agentId: "dave" });
    await wokenBy(c, () => c.release(writer), shared("r"));
    await c.release(blocker);
  },

  async "an expiry wakes the next in the queue, with nobody sweeping"(c) {
    await c.hold("r", { ttlMs: c.time.shortMs });
    await wakes(c, async () => {});
  },

  async "a pending request that dies in front wakes the next in the queue"(c) {
    await c.hold(shared("r"));
    await c.queue("r", { agentId: "dave", waitTtlMs: c.time.shortMs });
    await wakes(c, async () => {}, shared("r"));
  },

  async "turn ends after its timeout, though nothing happened"(c) {
    await c.hold("r");
    const pending = await c.queue("r", { agentId: "bob" });
    const start = c.time.now();
    await c.time.settles(c.backend.turn({ id: pending.id, timeoutMs: 50 }), "the end of the timeout");
    check(c.time.now() - start >= 45, "it waited");
    await c.time.settles(c.backend.turn({ id: pending.id, timeoutMs: 0 }), "a timeout of nothing");
    equal((await c.again(pending)).status, "refused", "asking after it");
  },

  async "turn ends when its signal aborts, also one aborted before; nothing else of the waiter changes"(c) {
    await c.hold("r");
    const pending = await c.queue("r", { agentId: "bob" });
    const abort = new AbortController();
    const waiting = background(
      c.backend.turn({ id: pending.id, timeoutMs: c.time.longMs, signal: abort.signal }),
    );
    await c.time.staysOpen(waiting, "turn waits before the abort");
    abort.abort();
    await c.time.settles(waiting, "turn ends at the abort");
    await c.time.settles(
      c.other.turn({ id: pending.id, timeoutMs: c.time.longMs, signal: abort.signal }),
      "turn with a signal aborted before",
    );
    equal((await c.find(pending.id))?.state, "pending", "the waiter");
  },

  async "turn ends at once for what does not wait: an unknown id, an active one, an ended one"(c) {
    const held = await c.hold("r");
    const gone = await c.hold("s");
    await c.release(gone);
    for (const id of [held.id, gone.id, "00000000-0000-7000-8000-000000000000"]) {
      await c.time.settles(
        c.other.turn({ id, timeoutMs: c.time.longMs }),
        "turn of an id that is not pending",
      );
    }
  },

  async "turn ends when the waiter itself is ended by somebody else"(c) {
    await c.hold("r");
    const pending = await c.queue("r", { agentId: "bob" });
    const waiting = background(c.backend.turn({ id: pending.id, timeoutMs: c.time.longMs }));
    await c.time.staysOpen(waiting, "turn waits");
    await c.revoke(pending, 0, { on: c.other });
    await c.time.settles(waiting, "turn ends with the waiter");
    equal((await c.again(pending)).status, "ended", "asking after it");
  },

  async "all readers at the head wake together, and may hold together"(c) {
    const writer = await c.hold("r");
    const readers = [
      await c.queue(shared("r"), { agentId: "r1" }),
      await c.queue(shared("r"), { agentId: "r2", on: c.other }),
      await c.queue(shared("r"), { agentId: "r3" }),
    ];
    const granted = Promise.all(readers.map((reader) => c.waitFor(reader)));
    await c.release(writer);
    const asked = (await c.time.settles(granted, "every reader is granted")).map((answer) => answer.asked);
    equal(asked, [1, 1, 1], "how often each had to ask");
  },

  async "only those who can be granted wake: the others in the queue sleep on"(c) {
    const held = await c.hold("r");
    const first = await c.queue("r", { agentId: "bob" });
    const second = await c.queue("r", { agentId: "carol", on: c.other });
    const granted = c.waitFor(first);
    const waiting = background(c.other.turn({ id: second.id, timeoutMs: c.time.longMs }));
    await c.release(held);
    await c.time.settles(granted, "the first is granted");
    await c.time.staysOpen(waiting, "the second sleeps on while the first holds");
    await c.release(first);
    await c.time.settles(waiting, "the second wakes after the first");
  },

  async "a waiter for several resources wakes when the last of them is free"(c) {
    const a = await c.hold("a");
    const b = await c.hold("b");
    const both = await c.queue(exclusive("a", "b"), { agentId: "bob", on: c.other });
    const granted = c.waitFor(both, { on: c.other });
    await c.release(a);
    await c.release(b);
    equal((await c.time.settles(granted, "it is granted")).asked, 1, "how often it had to ask");
  },

  async "a waiter that takes a hand-off is granted at its first question, wherever the release comes from"(
    c,
  ) {
    for (const releaser of [c.other, c.backend]) {
      const held = await c.hold("r", { on: releaser });
      const pending = await c.queue("r", { agentId: "bob", wait: "hand-off" });
      const granted = c.waitFor(pending, { wait: "hand-off" });
      equal(await c.release(held, releaser), "released", "the holder");
      const { asked, lease } = await c.time.settles(granted, "the waiter is granted");
      equal([asked, lease.token], [1, pending.token], "how often it had to ask, and its token");
      equal((await c.find(lease.id))?.state, "active", "its lease");
      equal(await c.release(lease), "released", "the waiter");
    }
  },

  async "who takes a hand-off and does not wait, or wants something else, gets no more than others"(c) {
    const held = await c.hold("r");
    const free = await c.hold("s", { wait: "hand-off" });
    equal((await c.again(free, { wait: "hand-off" })).status, "granted", "what was granted, asked again");
    const pending = await c.queue("r", { agentId: "bob", wait: "hand-off" });
    equal((await c.again(pending, { wait: "hand-off" })).status, "refused", "asking again while queued");
    equal((await c.again(pending, { wait: "no" })).status, "refused", "the last question");
    equal(await c.find(pending.id), undefined, "its place");
    equal(await c.release(held), "released", "the holder");
  },

  "200 waiters on one resource, from two clients: order of arrival, and at most one acquire a release": (c) =>
    longLine(c, "queue"),

  "200 waiters that take hand-offs: the same": (c) => longLine(c, "hand-off"),
};

/** A waiter behind everybody sleeps until `end` ends what is before it, then is granted; says how often it asked. */
async function wakes(c: CaseContext, end: () => Promise<unknown>, claims = exclusive("r")): Promise<number> {
  const pending = await c.queue(claims, { agentId: "bob", on: c.other });
  const granted = c.waitFor(pending, { on: c.other });
  await end();
  return (await c.time.settles(granted, "the waiter wakes and is granted")).asked;
}

/** The same where somebody acted: the waiter is granted at its first question. */
async function wokenBy(c: CaseContext, end: () => Promise<unknown>, claims = exclusive("r")): Promise<void> {
  equal(await wakes(c, end, claims), 1, "how often it had to ask");
}

async function longLine(c: CaseContext, wait: "queue" | "hand-off"): Promise<void> {
  const WAITERS = 200;
  let holder: Lease = await c.hold("r");
  const queue: { lease: Lease; on: LeaseBackend }[] = [];
  for (let index = 0; index < WAITERS; index += 1) {
    const on = index % 2 ? c.backend : c.other;
    queue.push({ lease: await c.queue("r", { agentId: `agent-${index}`, wait, on }), on });
  }
  const served: string[] = [];
  let asked = 0;
  const everybody = queue.map(async ({ lease, on }) => {
    const turn = await c.waitFor(lease, { wait, on });
    served.push(lease.agentId);
    asked += turn.asked;
    await c.release(lease, on);
  });
  const done = background(Promise.all(everybody));
  await c.release(holder);
  await c.time.settles(done, "everybody is served", 20_000);
  equal(
    served,
    queue.map(({ lease }) => lease.agentId),
    "the order",
  );
  // One release by the first holder and one by each waiter but the last let somebody in.
  check(asked <= WAITERS, `${asked} acquires for ${WAITERS} releases`);
  holder = await c.hold("r");
  equal(await c.release(holder), "released", "the resource, after all of them");
}
