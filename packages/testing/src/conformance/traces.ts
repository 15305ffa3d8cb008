/**
 * Traces that a model checker found in earlier drafts of the design: each broke a promise there. What concerns only
 * the holder's own bookkeeping is in core; the explorer of this package walks all of them.
 */
import { check, equal, rejects, within } from "../assert.js";
import { background, type Cases, exclusive, shared } from "./context.js";
import { GRAIN_MS } from "./time.js";

export const traceCases: Cases = {
  async "acquire granted, reply lost, asked again later: the repeat extends nothing and tells what is left"(
    c,
  ) {
    const request = c.request("r", { ttlMs: c.time.shortMs });
    const asked = c.time.now();
    await c.backend.acquire(request);
    await c.time.pass(c.time.shortMs / 4);
    const repeat = await c.backend.acquire(request);
    const answered = c.time.now();
    if (repeat.status !== "granted") {
      // A busy machine was late: then the lease must really have been over.
      check(answered - asked >= c.time.shortMs - GRAIN_MS, "it ended no sooner than it was told");
      return;
    }
    within(
      repeat.lease.expiresInMs,
      0,
      Math.ceil(c.time.shortMs / c.limits.ttlStepMs) * c.limits.ttlStepMs - c.time.shortMs / 4 + GRAIN_MS,
      "what is left of the first grant",
    );
    await c.outlive(repeat.lease);
    await c.hold("r", { agentId: "bob" });
  },

  async "a shorter renewal whose reply is late: the longer life that the holder believes in is kept"(c) {
    const held = await c.hold("r");
    const shorter = await c.renewed(held, { ttlMs: c.time.shortMs, renewal: 1 });
    within(shorter.expiresInMs, c.time.longMs / 2, c.time.longMs + c.limits.ttlStepMs, "expiresInMs");
    await c.time.pass(c.time.shortMs + c.limits.expirySlackMs + 50);
    await c.refused(c.request("r", { agentId: "bob" }), c.other);
  },

  async "a late copy of an acquire after its life ended, then a late renew: no second life"(c) {
    const request = c.request("r", { ttlMs: c.time.shortMs, wait: "queue" });
    const held = await c.granted(request);
    await c.outlive(held);
    equal((await c.other.acquire(request)).status, "ended", "the late acquire");
    equal((await c.renew(held)).status, "expired", "the late renewal");
    const next = await c.hold("r", { agentId: "bob" });
    equal((await c.other.acquire(request)).status, "ended", "one more copy, beside the next holder");
    await c.release(next);
    equal((await c.other.acquire(request)).status, "ended", "and one after it");
    equal(await c.story(held), ["acquired", "expired"], "one life");
  },

  async "a revoked waiter's heartbeat does not bring it back into the queue"(c) {
    await c.hold("r");
    const pending = await c.queue("r", { agentId: "bob" });
    await c.revoke(pending, 0, { by: "ops", reason: "no" });
    const heartbeat = await c.again(pending);
    equal(heartbeat, { status: "ended", end: "revoked", by: "ops", reason: "no" }, "the heartbeat");
    equal(await c.list({ agentId: "bob" }), [], "what is live of it");
    equal(await c.story(pending), ["queued", "revoked"], "one life");
  },

  async "an aborted waiter whose last heartbeat arrives late: after abandon it finds its end"(c) {
    const held = await c.hold("r");
    const pending = await c.queue("r", { agentId: "bob" });
    equal(await c.abandon(pending), "cancelled", "abandon overtakes the heartbeat");
    await c.release(held);
    equal(
      (await c.again(pending, { on: c.other })).status,
      "ended",
      "the late heartbeat, on a free resource",
    );
    equal(await c.list(), [], "nobody holds it");
    const never = c.request("r", { agentId: "bob", wait: "queue" });
    await c.abandon(never);
    equal((await c.backend.acquire(never)).status, "ended", "the same where even the first acquire was late");
    equal(await c.list(), [], "still nobody");
  },

  async "a renewal repeated at the limit is answered again, and holds no longer for it"(c) {
    const held = await c.hold("r", { maxRenewals: 1, ttlMs: c.time.longMs });
    const first = await c.renewed(held, { renewal: 1 });
    let left = first.expiresInMs;
    for (let repeat = 0; repeat < 3; repeat += 1) {
      await c.time.pass(20);
      const again = await c.renewed(held, { renewal: 1 }, repeat % 2 ? c.backend : c.other);
      within(again.expiresInMs, 0, left - 10 + c.limits.ttlStepMs, "expiresInMs runs down");
      equal(again.renewals, 1, "renewals");
      left = again.expiresInMs;
    }
    equal((await c.renew(held, { renewal: 2 })).status, "renewal-limit", "the next one");
  },

  async "a waiter whose blocker ended between refusal and turn is not left asleep"(c) {
    const held = await c.hold("r");
    const pending = await c.queue("r", { agentId: "bob", on: c.other });
    await c.release(held);
    const turn = background(c.other.turn({ id: pending.id, timeoutMs: c.time.longMs }));
    await c.time.settles(turn, "turn, called after the end that it waits for");
    equal((await c.again(pending)).status, "granted", "its question");
  },

  async "a cancelled waiter in the middle of the queue lets those behind it pass"(c) {
    const reader = await c.hold(shared("r"));
    const writer = await c.queue("r", { agentId: "bob" });
    const behind = await c.queue(shared("r"), { agentId: "carol", on: c.other });
    const granted = c.waitFor(behind, { on: c.other });
    await c.release(writer);
    const { asked } = await c.time.settles(granted, "the reader behind it, beside the reader that holds");
    equal(asked, 1, "how often it had to ask");
    equal((await c.find(reader.id))?.state, "active", "the first reader still holds");
  },

  async "acquired before expired in the feed: a grant records first the end of what it passes"(c) {
    const dead = await c.hold(exclusive("a", "b"), { ttlMs: c.time.shortMs });
    await c.outlive(dead);
    const next = await c.hold("a", { agentId: "bob", on: c.other });
    const events = await c.events();
    equal(
      events.map(({ type, lease }) => [type, lease.id]),
      [
        ["acquired", dead.id],
        ["expired", dead.id],
        ["acquired", next.id],
      ],
      "the feed",
    );
  },

  async "a cursor from before a restore is refused: another epoch, or past the end"(c) {
    await c.hold("r");
    const cursor = (await c.events()).at(-1)?.cursor ?? "";
    const foreign = cursor.replace(/^[^.]+/, (epoch) => [...epoch].reverse().join("").replaceAll("0", "1"));
    const beyond = cursor.replace(/\d+$/, (position) => `${BigInt(position) + 1000n}`);
    for (const after of [foreign, beyond].filter((candidate) => candidate !== cursor)) {
      await rejects(c.events({ after }), "CURSOR_EXPIRED", after);
      await rejects(c.events({ after, follow: true }, c.other), "CURSOR_EXPIRED", `${after}, followed`);
    }
    equal(await c.events({ after: cursor }), [], "the cursor itself is good");
  },

  async "renewing a pending request neither extends nor grants it"(c) {
    const held = await c.hold("r");
    const pending = await c.queue("r", { agentId: "bob", waitTtlMs: c.time.shortMs });
    equal((await c.renew(pending, { ttlMs: c.time.longMs })).status, "pending", "the answer");
    within((await c.find(pending.id))?.expiresInMs ?? 0, 0, pending.expiresInMs, "expiresInMs");
    await c.release(held);
    const late = await c.renew(pending);
    check(late.status !== "renewed", "not even when its turn has come: only acquire decides");
    await c.outlive(pending);
    equal((await c.again(pending)).status, "ended", "asking when its time is over");
    equal(await c.story(pending), ["queued", "expired"], "the history");
  },

  async "a grant whose reply is lost is found by asking with the same id, also from another client"(c) {
    const request = c.request("r", { wait: "queue" });
    const lost = await c.granted(request);
    const found = await c.other.acquire(request);
    equal(
      found.status === "granted" && [found.repeated, found.lease.token],
      [true, lost.token],
      "the repeat",
    );
    equal(await c.abandon(lost, c.other), "released", "giving up what nobody heard of");
    await c.hold("r", { agentId: "bob" });
  },
};
