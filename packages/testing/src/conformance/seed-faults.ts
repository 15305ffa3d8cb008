/**
 * The system that Lease grew out of had ten faults that its users met. Each is a case, so that none comes back.
 * That `./x.ts` and `x.ts` are one file is `fileResource`'s doing, and that a cycle is detected is the manager's: both
 * are tested in core; here is what a backend must give for them.
 */
import { type AcquireResult, conflicts } from "@lease/core/backend";
import { check, equal, rejects } from "../assert.js";
import { type Cases, exclusive } from "./context.js";

export const seedFaultCases: Cases = {
  async "an expired lease blocked until cleanup ran: here it blocks nobody, swept or not"(c) {
    const dead = await c.hold("r", { ttlMs: c.time.shortMs });
    await c.outlive(dead);
    await c.hold("r", { agentId: "bob", on: c.other });
  },

  async "the same agent acquiring again got a second active lease: here it is refused by its own first"(c) {
    const first = await c.hold("r");
    const refused = await c.refused(c.request("r"));
    equal(
      refused.blockers.map(({ id }) => id),
      [first.id],
      "the blockers",
    );
    equal((await c.list({ agentId: "alice" })).length, 1, "leases of the agent");
  },

  async "renew ignored state and expiry, so two held at once: here a dead lease is not revived"(c) {
    const dead = await c.hold("r", { ttlMs: c.time.shortMs });
    await c.outlive(dead);
    const next = await c.hold("r", { agentId: "bob" });
    equal((await c.renew(dead, {}, c.other)).status, "expired", "renewing the dead lease");
    await c.release(next);
    equal((await c.renew(dead)).status, "expired", "also when the resource is free again");
    equal(await c.list(), [], "what is live");
  },

  async "an orphaned pending row blocked for ever: here a dead waiter leaves the queue"(c) {
    const held = await c.hold("r");
    const orphan = await c.queue("r", { agentId: "bob", waitTtlMs: c.time.shortMs });
    await c.release(held);
    await c.outlive(orphan);
    await c.hold("r", { agentId: "carol" });
    equal(await c.story(orphan), ["queued", "expired"], "the history of the orphan");
  },

  async "./x.ts and x.ts did not conflict: here the raw form is refused, and fileResource makes them one"(c) {
    await c.hold("x.ts");
    for (const raw of ["./x.ts", "a/../x.ts", "a/./x.ts", "/x.ts", "x.ts/"]) {
      const request = c.request(raw, { agentId: "bob" });
      await rejects(c.backend.acquire(request), "INVALID_ARGUMENT", raw, "claims[0].resource");
    }
  },

  async "acquire was select, insert, update without a transaction: here a race has one winner"(c) {
    for (let round = 0; round < 10; round += 1) {
      const asks: Promise<AcquireResult>[] = [];
      for (let index = 0; index < 6; index += 1) {
        const claims = exclusive(...(index % 2 ? ["a", "b"] : ["b", "a"]));
        asks.push(
          (index % 3 ? c.backend : c.other).acquire(c.request(claims, { agentId: `agent-${index}` })),
        );
      }
      const granted = (await Promise.all(asks)).flatMap((result) =>
        result.status === "granted" ? [result.lease] : [],
      );
      equal(granted.length, 1, `winners of round ${round}`);
      for (const lease of granted) await c.release(lease);
    }
  },

  async '"active" listings returned every state: here only live leases are listed, each in its own'(c) {
    const active = await c.hold("r");
    const pending = await c.queue("r", { agentId: "bob" });
    await c.release(await c.hold("s"));
    await c.revoke(await c.hold("t"));
    await c.outlive(await c.hold("u", { ttlMs: c.time.shortMs }));
    equal(
      (await c.list({ state: "active" })).map(({ id }) => id),
      [active.id],
      "active",
    );
    equal(
      (await c.list({ state: "pending" })).map(({ id }) => id),
      [pending.id],
      "pending",
    );
    equal((await c.list()).length, 2, "all");
  },

  async "a failing acquire-all leaked what it got: here it gets all or nothing"(c) {
    await c.hold("b");
    await c.refused(c.request(exclusive("a", "b", "d"), { agentId: "bob" }));
    const bad = c.request(exclusive("e", "f", "../g"), { agentId: "bob" });
    await rejects(
      c.backend.acquire(bad),
      "INVALID_ARGUMENT",
      "a bad one among good ones",
      "claims[2].resource",
    );
    equal(await c.list({ agentId: "bob" }), [], "leases of who failed");
    await c.hold(exclusive("a", "d", "e", "f"), { agentId: "carol", on: c.other });
  },

  async "forced release left no history: here a revoke is recorded with who and why"(c) {
    const held = await c.hold("r");
    await c.revoke(held, 0, { by: "ops", reason: "deploy" });
    const last = (await c.events({ resource: "r" })).at(-1);
    equal(
      [last?.type, last?.lease.id, last?.by, last?.reason],
      ["revoked", held.id, "ops", "deploy"],
      "the record",
    );
  },

  async "deadlock detection was an age check: here who waits for whom can be read"(c) {
    const held = { alice: await c.hold("a"), bob: await c.hold("b", { agentId: "bob" }) };
    const waits = [
      await c.refused(c.request("b", { wait: "queue", holding: [held.alice.id] })),
      await c.refused(c.request("a", { agentId: "bob", wait: "queue", holding: [held.bob.id] }), c.other),
    ];
    equal(
      waits.map(({ lease, blockers }) => [lease?.holding, blockers.map(({ id }) => id)]),
      [
        [[held.alice.id], [held.bob.id]],
        [[held.bob.id], [held.alice.id]],
      ],
      "what each holds, and what each waits for",
    );
    const listed = await c.list({ state: "pending" });
    equal(
      listed.map(({ holding }) => holding),
      waits.map(({ lease }) => lease?.holding),
      "as everybody can list it",
    );
    const [first, second] = listed;
    check(
      first !== undefined && second !== undefined && first.token < second.token,
      "the youngest can be told",
    );
    const meet = (claims: typeof first.claims, holder: typeof first) =>
      claims.some((claim) => holder.claims.some((theirs) => conflicts(claim, theirs)));
    check(meet(first.claims, held.bob) && meet(second.claims, held.alice), "the cycle closes");
  },
};
