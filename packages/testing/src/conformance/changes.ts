import type { LeaseEvent } from "@lease/core";
import { check, equal, rejects } from "../assert.js";
import { type CaseContext, type Cases, exclusive, shared } from "./context.js";
import { follow } from "./follow.js";

const types = (events: readonly LeaseEvent[]) => events.map(({ type }) => type);

export const changesCases: Cases = {
  async "every transition is told, in order, with the lease as it was right after it"(c) {
    await everything(c);
    const events = await c.events({ types: ALL_BUT_RENEWED }, c.other);
    equal(
      events.map(({ type, lease }) => [type, lease.agentId, lease.state]),
      [
        ["acquired", "alice", "active"],
        ["queued", "bob", "pending"],
        ["queued", "carol", "pending"],
        ["cancelled", "carol", "cancelled"],
        ["revoking", "alice", "active"],
        ["released", "alice", "released"],
        ["acquired", "bob", "active"],
        ["revoked", "bob", "revoked"],
      ],
      "the history",
    );
    const renewed = await c.events({ types: ["renewed"] });
    equal(types(renewed), c.limits.renewals === "recorded" ? ["renewed"] : [], "what is told of renewals");
    equal(new Set(events.map(({ cursor }) => cursor)).size, events.length, "different cursors");
    for (const { at } of events) check(!Number.isNaN(Date.parse(at)), `${at} is a time`);
  },

  async "an empty history ends at once"(c) {
    equal(await c.events(), [], "the events");
    equal(await c.events({ after: "end" }), [], "the events after the end");
  },

  async "from every cursor the rest can be read, no more and no less"(c) {
    await everything(c);
    const events = await c.events();
    for (const [index, event] of events.entries()) {
      const rest = await c.events({ after: event.cursor }, index % 2 ? c.backend : c.other);
      equal(rest, events.slice(index + 1), `what follows entry ${index}`);
    }
    equal(await c.events({ after: "end" }), [], "what follows the end");
  },

  async "filters: ids, agent, overlapping resource, types, and all of them together"(c) {
    const a = await c.hold(exclusive("src/a.ts", "x"));
    const b = await c.hold(shared("src/b/**"), { agentId: "bob" });
    const docs = await c.hold("docs", { agentId: "bob" });
    for (const lease of [a, b, docs]) await c.release(lease);
    const told = async (options: Parameters<typeof c.events>[0]) =>
      (await c.events(options)).map(({ type, lease }) => `${type} ${lease.claims[0]?.resource}`);
    equal(await told({ ids: [a.id] }), ["acquired src/a.ts", "released src/a.ts"], "ids");
    equal(await told({ ids: [] }), [], "no ids at all");
    equal(
      await told({ agentId: "bob", types: ["released"] }),
      ["released src/b/**", "released docs"],
      "agent and type",
    );
    equal(
      await told({ resource: "src/b/c", types: ["acquired"] }),
      ["acquired src/b/**"],
      "a resource below",
    );
    equal(
      await told({ resource: "src/**", types: ["acquired"] }),
      ["acquired src/a.ts", "acquired src/b/**"],
      "above",
    );
    equal(
      await told({ resource: "src/**", agentId: "bob", types: ["acquired"] }),
      ["acquired src/b/**"],
      "together",
    );
    equal(await told({ types: [] }), [], "no types at all");
  },

  async "a filtered history can be resumed from its cursors"(c) {
    await everything(c);
    const all = await c.events({ agentId: "bob" });
    for (const [index, event] of all.entries()) {
      equal(
        await c.events({ agentId: "bob", after: event.cursor }),
        all.slice(index + 1),
        `after entry ${index}`,
      );
    }
  },

  async "a long history is read in full"(c) {
    const ROUNDS = 150;
    for (let round = 0; round < ROUNDS; round += 1) {
      const [a, b] = await Promise.all([c.hold(`r/${round}`), c.hold(`s/${round}`, { on: c.other })]);
      await c.backend.release([a, b].map(({ id, agentId }) => ({ kind: "release", id, agentId })));
    }
    equal((await c.events()).length, ROUNDS * 4, "events");
  },

  async "a follower is told what happens from now on, also by other clients, without a gap"(c) {
    const held = await c.hold("r");
    const follower = follow(c, c.other, { after: "end" });
    // Where "the end" was is only known once something came after it.
    await c.time.until(async () => {
      await c.release(await c.hold("marker"));
      return follower.events.length > 0 ? true : undefined;
    }, "the follower is told of something new");
    await c.release(held);
    const next = await c.hold("r", { agentId: "bob", on: c.other });
    await follower.until((events) => events.at(-1)?.lease.id === next.id);
    await follower.stop();
    equal(
      follower.events,
      (await c.events()).slice(-follower.events.length),
      "what it saw, as the history tells it",
    );
    check(
      !follower.events.some(({ type, lease }) => type === "acquired" && lease.id === held.id),
      "nothing older",
    );
  },

  async "a follower reads what was there before it, then goes on"(c) {
    const held = await c.hold("r");
    const follower = follow(c, c.other, {});
    await follower.until((events) => events.length >= 1);
    await c.release(held);
    await follower.until((events) => events.length >= 2);
    await follower.stop();
    equal(types(follower.events), ["acquired", "released"], "what the follower saw");
  },

  async "a follower that comes back with its cursor misses nothing"(c) {
    const held = await c.hold("r");
    const first = follow(c, c.other, {});
    await first.until((events) => events.length >= 1);
    await first.stop();
    await c.release(held);
    await c.hold("r", { agentId: "bob" });
    const second = follow(c, await c.open(), { after: first.events.at(-1)?.cursor });
    await second.until((events) => events.length >= 2);
    await second.stop();
    equal(types(second.events), ["released", "acquired"], "what it saw the second time");
  },

  async "a filtered follower sees only what passes"(c) {
    const follower = follow(c, c.backend, { resource: "src/**", types: ["acquired"] });
    await c.release(await c.hold("docs"));
    const wanted = await c.hold("src/a");
    await follower.until((events) => events.length >= 1);
    await follower.stop();
    equal(
      follower.events.map(({ lease }) => lease.id),
      [wanted.id],
      "what it saw",
    );
  },

  async "two followers of one client do not disturb each other"(c) {
    const one = follow(c, c.backend, {});
    const two = follow(c, c.backend, {});
    await c.hold("r");
    await one.until((events) => events.length >= 1);
    await one.stop();
    await c.hold("s");
    await two.until((events) => events.length >= 2);
    await two.stop();
    equal([one.events.length, two.events.length], [1, 2], "what they saw");
  },

  async "aborting ends a follower without an error, at once or before it began"(c) {
    const follower = follow(c, c.backend, {});
    await c.hold("r");
    await follower.until((events) => events.length >= 1);
    await follower.stop();
    const aborted = AbortSignal.abort();
    await c.time.settles(c.events({ follow: true, signal: aborted }), "a follower aborted before it began");
  },

  async "leaving the loop of a follower ends it"(c) {
    await c.hold("r");
    for await (const event of c.backend.changes({ follow: true })) {
      equal(event.type, "acquired", "the event");
      break;
    }
    equal((await c.events()).length, 1, "the history is still there");
  },

  async "a cursor of another history, past the end, or no cursor at all is refused as expired"(c) {
    await c.hold("r");
    for (const after of ["", "nonsense", "0", "-1", "99999999999999.1", "e.0", "end.1"]) {
      await rejects(c.events({ after }), "CURSOR_EXPIRED", JSON.stringify(after));
      await rejects(
        c.events({ after, follow: true }),
        "CURSOR_EXPIRED",
        `${JSON.stringify(after)}, followed`,
      );
    }
  },
};

const ALL_BUT_RENEWED = [
  "queued",
  "acquired",
  "revoking",
  "released",
  "expired",
  "revoked",
  "cancelled",
] as const;

/** One of every transition that needs no time, in a fixed order. */
async function everything(c: CaseContext): Promise<void> {
  const held = await c.hold("r");
  await c.renewed(held);
  const bob = await c.queue("r", { agentId: "bob", on: c.other });
  const carol = await c.queue("r", { agentId: "carol" });
  await c.release(carol);
  await c.revoke(held, c.time.longMs);
  await c.release(held);
  equal((await c.again(bob)).status, "granted", "bob's turn");
  await c.revoke(bob);
}
