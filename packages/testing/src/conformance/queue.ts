import type { Lease } from "@lease/core";
import { check, equal, within } from "../assert.js";
import { type Cases, exclusive } from "./context.js";

export const queueCases: Cases = {
  async "a refused request that waits is a pending lease: it has its token, is listed, recorded and owned"(
    c,
  ) {
    const held = await c.hold("r");
    const refused = await c.refused(c.request("r", { agentId: "bob", wait: "queue", reason: "tests" }));
    const { lease } = refused;
    check(lease !== null, "the pending lease is in the answer");
    equal(
      [lease.state, lease.agentId, lease.acquiredAt, lease.reason],
      ["pending", "bob", null, "tests"],
      "the lease",
    );
    check(lease.token > held.token, "its token is greater than that of the lease before it");
    within(lease.expiresInMs, 1, c.time.longMs + c.limits.ttlStepMs, "expiresInMs, of waitTtlMs");
    equal((await c.find(lease.id, c.other))?.state, "pending", "as another client lists it");
    equal(await c.story(lease), ["queued"], "the history");
    equal(await c.release({ ...lease, agentId: "mallory" }), "not-owner", "releasing it as somebody else");
  },

  async "first come, first served: the order of the queue is that of the tokens"(c) {
    const held = await c.hold("r");
    const queue: Lease[] = [];
    for (const [index, agentId] of ["b", "c", "d", "e"].entries()) {
      const on = index % 2 ? c.backend : c.other;
      const refused = await c.refused(c.request("r", { agentId, wait: "queue" }), on);
      equal(refused.position, index + 2, `position of ${agentId}`);
      queue.push(refused.lease as Lease);
    }
    let holder = held;
    for (const [index, next] of queue.entries()) {
      await c.release(holder);
      for (const behind of queue.slice(index + 1).reverse()) {
        equal((await c.again(behind)).status, "refused", `${behind.agentId}, before ${next.agentId}`);
      }
      const result = await c.again(next, { on: c.other });
      equal(result.status === "granted" && !result.repeated, true, `${next.agentId}, whose turn it is`);
      if (result.status !== "granted") return;
      equal(result.lease.token, next.token, "its token is the one that it was queued with");
      within(result.lease.expiresInMs, c.time.longMs / 2, c.time.longMs + c.limits.ttlStepMs, "a whole TTL");
      holder = result.lease;
      equal(await c.story(holder), ["queued", "acquired"], "the history");
    }
  },

  async "asking again keeps the place, and shows how far the queue moved"(c) {
    const held = await c.hold("r");
    const first = await c.queue("r", { agentId: "bob" });
    const second = await c.queue("r", { agentId: "carol", on: c.other });
    const before = await c.again(second);
    equal(before.status === "refused" && before.position, 3, "position behind two");
    equal(before.status === "refused" && before.lease?.token, second.token, "the token");
    await c.release(first);
    const after = await c.again(second);
    equal(after.status === "refused" && after.position, 2, "position behind one");
    equal(after.status === "refused" && after.blockers.map(({ id }) => id), [held.id], "the blockers");
    equal(await c.story(second), ["queued"], "a heartbeat is no event");
  },

  async "a waiter that asks without waiting leaves the queue"(c) {
    await c.hold("r");
    const pending = await c.queue("r", { agentId: "bob" });
    const result = await c.again(pending, { wait: "no" });
    equal(result.status === "refused" && result.lease, null, "the answer");
    equal(await c.find(pending.id), undefined, "what is left of it");
    equal(await c.story(pending), ["queued", "cancelled"], "the history");
  },

  async "a free resource is granted to who waits and to who does not, alike"(c) {
    equal((await c.hold("a", { wait: "queue" })).state, "active", "with wait");
    equal((await c.hold("b", { wait: "no" })).state, "active", "without");
  },

  async "a waiter for several resources gets them together, when the last one is free"(c) {
    const a = await c.hold("a");
    const b = await c.hold("b");
    const both = await c.queue(exclusive("a", "b"), { agentId: "bob" });
    await c.release(a);
    equal((await c.again(both)).status, "refused", "with one of two free");
    await c.refused(c.request("a", { agentId: "carol" }));
    await c.release(b);
    equal((await c.again(both)).status, "granted", "with both free");
  },

  async "two waiters that want each other's resources do not deadlock inside one request each"(c) {
    const held = await c.hold(exclusive("a", "b"));
    const ab = await c.queue(exclusive("a", "b"), { agentId: "bob" });
    const ba = await c.queue(exclusive("b", "a"), { agentId: "carol", on: c.other });
    await c.release(held);
    equal((await c.again(ba)).status, "refused", "the second");
    equal((await c.again(ab)).status, "granted", "the first");
    await c.release(ab);
    equal((await c.again(ba)).status, "granted", "the second, after the first");
  },

  async "a waiter that gives up in the very moment of its grant leaves nothing behind, whichever comes first"(
    c,
  ) {
    for (let round = 0; round < 60; round += 1) {
      const held = await c.hold("r");
      const pending = await c.queue("r", { agentId: "bob", on: c.other });
      const steps = [
        () => c.release(held),
        () => c.again(pending, { on: c.other }),
        () => c.abandon(pending, round % 2 ? c.backend : c.other),
      ];
      // Every order of sending, and what the store makes of three calls that are under way together.
      const first = steps.splice(round % 3, 1)[0] as () => Promise<unknown>;
      const order = [first, ...(round % 4 < 2 ? steps : steps.reverse())];
      await Promise.all(order.map((step) => step()));
      equal(await c.list(), [], `what is live after round ${round}`);
      equal((await c.again(pending)).status, "ended", `a late heartbeat after round ${round}`);
    }
  },

  async "who waits states what it holds: a cycle can be found from the list alone"(c) {
    const alices = await c.hold("a");
    const bobs = await c.hold("b", { agentId: "bob", on: c.other });
    await c.queue("b", { holding: [alices.id] });
    await c.queue("a", { agentId: "bob", holding: [bobs.id], on: c.other });
    const pending = await c.list({ state: "pending" });
    const next = (holder: string) => {
      const waiting = pending.find((lease) => lease.holding.includes(holder));
      check(waiting !== undefined, "a pending request that holds it is listed, with its claims");
      return (
        [alices, bobs].find((lease) => lease.claims[0]?.resource === waiting.claims[0]?.resource)?.id ?? ""
      );
    };
    equal(next(next(alices.id)), alices.id, "the walk from alice's lease over who waits holding it");
  },
};
