import { equal } from "../assert.js";
import { type Cases, only } from "./context.js";

export const releaseCases: Cases = {
  async "a release frees at once, and the history keeps it"(c) {
    const held = await c.hold("r");
    equal(await c.release(held, c.other), "released", "the answer");
    await c.hold("r", { agentId: "bob" });
    const events = await c.events({ ids: [held.id] });
    equal(
      events.map(({ type }) => type),
      ["acquired", "released"],
      "the history",
    );
    const last = events.at(-1);
    equal(
      [last?.lease.state, last?.lease.expiresInMs, last?.by, last?.reason],
      ["released", 0, null, null],
      "its end",
    );
  },

  async "a repeated release says not-found, and frees nothing of anybody else's"(c) {
    const held = await c.hold("r");
    await c.release(held);
    const next = await c.hold("r", { agentId: "bob" });
    equal(await c.release(held, c.other), "not-found", "the repeat");
    equal((await c.find(next.id))?.state, "active", "the next holder");
    equal(await c.story(held), ["acquired", "released"], "the history");
  },

  async "releasing a pending request cancels it"(c) {
    await c.hold("r");
    const pending = await c.queue("r", { agentId: "bob" });
    equal(await c.release(pending), "cancelled", "the answer");
    equal(await c.find(pending.id), undefined, "what is left");
    equal(await c.story(pending), ["queued", "cancelled"], "the history");
  },

  async "only the owner releases: not another agent, not an older token"(c) {
    const held = await c.hold("r");
    const pending = await c.queue("r", { agentId: "bob" });
    equal(await c.release({ ...held, agentId: "mallory" }), "not-owner", "another agent");
    equal(await c.release({ ...held, token: held.token + 1 }), "not-owner", "another token");
    equal(await c.abandon({ ...held, agentId: "mallory" }), "not-owner", "abandoning as another agent");
    equal(
      await c.abandon({ ...pending, agentId: "mallory" }),
      "not-owner",
      "abandoning another's pending request",
    );
    equal(
      (await c.list()).map(({ state }) => state),
      ["active", "pending"],
      "what is live",
    );
    const without = only(await c.backend.release([{ kind: "release", id: held.id, agentId: "alice" }]));
    equal(without.status, "released", "the owner without a token");
  },

  async "an unknown id is not found"(c) {
    const id = "00000000-0000-7000-8000-000000000000";
    equal(await c.release({ id, agentId: "alice", token: 1 }), "not-found", "release");
    equal(await c.revoke({ id }), "not-found", "revoke");
    equal(await c.events(), [], "nothing is recorded");
  },

  async "a batch is answered in the order asked, each lease for itself"(c) {
    const [a, b, d] = [await c.hold("a"), await c.hold("b", { agentId: "bob" }), await c.hold("d")];
    const pending = await c.queue("d", { agentId: "bob" });
    const results = await c.other.release([
      { kind: "release", id: d.id, agentId: "mallory", token: d.token },
      { kind: "release", id: a.id, agentId: "alice", token: a.token },
      { kind: "release", id: a.id, agentId: "alice", token: a.token },
      { kind: "revoke", id: b.id, by: "ops", reason: null, graceMs: 0 },
      { kind: "abandon", id: pending.id, agentId: "bob" },
    ]);
    equal(
      results.map(({ status }) => status),
      ["not-owner", "released", "not-found", "revoked", "cancelled"],
      "the answers",
    );
    equal(
      (await c.list()).map(({ id }) => id),
      [d.id],
      "what is live",
    );
    equal(await c.backend.release([]), [], "a batch of nothing");
  },

  async "abandon ends a held lease, and its id stays ended"(c) {
    const held = await c.hold("r");
    equal(await c.abandon(held), "released", "the answer");
    equal((await c.again(held, { on: c.other })).status, "ended", "a late copy of its acquire");
    equal(await c.abandon(held), "not-found", "abandoning again");
    equal(await c.release(held), "not-found", "releasing after it");
    equal(await c.list(), [], "what is live");
    equal(await c.story(held), ["acquired", "released"], "the history");
  },

  async "abandon takes a waiter out of the queue, and its id stays ended"(c) {
    await c.hold("r");
    const pending = await c.queue("r", { agentId: "bob" });
    equal(await c.abandon(pending, c.other), "cancelled", "the answer");
    equal((await c.again(pending)).status, "ended", "a late heartbeat");
    equal(await c.find(pending.id), undefined, "what is left");
    equal(await c.story(pending), ["queued", "cancelled"], "the history");
  },

  async "abandon of an id never seen makes a later acquire find it ended"(c) {
    const request = c.request("r");
    equal(await c.abandon(request), "not-found", "the answer");
    const late = await c.other.acquire(request);
    equal(late, { status: "ended", end: "cancelled", by: null, reason: null }, "the acquire that comes late");
    equal(await c.events(), [], "nothing is recorded");
    await c.hold("r", { agentId: "bob" });
  },

  async "abandon of an id that was revoked leaves it revoked"(c) {
    const held = await c.hold("r");
    await c.revoke(held, 0, { by: "ops", reason: "deploy" });
    equal(await c.abandon(held), "not-found", "the answer");
    const late = await c.again(held);
    equal(late, { status: "ended", end: "revoked", by: "ops", reason: "deploy" }, "how it ended");
    equal(await c.abandon({ ...held, agentId: "mallory" }), "not-owner", "abandoning it as another agent");
  },
};
