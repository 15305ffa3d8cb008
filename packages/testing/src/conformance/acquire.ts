import { type Lease, MAX } from "@lease/core";
import { type AcquireRequest, conflicts } from "@lease/core/backend";
import { check, equal, rejects, within } from "../assert.js";
import { type CaseContext, type Cases, exclusive, shared } from "./context.js";
import { GRAIN_MS } from "./time.js";

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

export const acquireCases: Cases = {
  async "a free resource is granted at once, and the answer tells the whole lease"(c) {
    const request = c.request([...exclusive("src/app.ts"), ...shared("docs/**")], {
      ttlMs: c.time.longMs,
      maxRenewals: 7,
      reason: "rename",
      metadata: { ticket: "L-1", tries: 3, nested: { list: [1, "two", null, true] } },
    });
    const result = await c.backend.acquire(request);
    equal(result.status, "granted", "the answer");
    if (result.status !== "granted") return;
    equal(result.repeated, false, "repeated");
    checkComplete(c, result.lease, request);
    equal(result.lease.state, "active", "state");
    check(RFC_3339.test(result.lease.acquiredAt ?? ""), "acquiredAt is a time in RFC 3339");
    within(result.lease.expiresInMs, 1, c.time.longMs + c.limits.ttlStepMs, "expiresInMs");
    equal(await c.story(result.lease), ["acquired"], "the history");
  },

  async "a refusal says who holds what, why and for how long, and leaves nothing behind"(c) {
    const held = await c.hold("src/app.ts", { reason: "rename" });
    const request = c.request([...exclusive("docs/a.md"), ...shared("src/app.ts")], { agentId: "bob" });
    const refused = await c.refused(request, c.other);
    equal(refused.lease, null, "lease");
    equal([refused.blockerCount, refused.position], [1, 2], "blockerCount and position");
    const blocker = refused.blockers[0];
    equal(
      { ...blocker, expiresInMs: 0 },
      {
        id: held.id,
        agentId: "alice",
        resource: "src/app.ts",
        mode: "exclusive",
        state: "active",
        token: held.token,
        reason: "rename",
        expiresInMs: 0,
      },
      "the blocker",
    );
    within(blocker?.expiresInMs ?? 0, 1, held.expiresInMs, "the blocker's expiresInMs");
    equal(refused.retryInMs, blocker?.expiresInMs, "retryInMs is the soonest expiry of a blocker");
    equal(await c.find(request.id), undefined, "what is listed of the refused request");
    equal(await c.story(request), [], "what the history says of it");
    equal((await c.renew({ ...request, token: held.token + 1 })).status, "not-found", "renewing it");
  },

  async "a refusal lists the first eight blockers by token, and counts all of them"(c) {
    const held: Lease[] = [];
    for (let index = 0; index < MAX.blockers + 3; index += 1) {
      held.push(
        await c.hold(shared("r"), { agentId: `reader-${index}`, ttlMs: c.time.longMs - index * 1000 }),
      );
    }
    const refused = await c.refused(c.request("r", { agentId: "bob" }), c.other);
    equal(
      refused.blockers.map((blocker) => blocker.id),
      held.slice(0, MAX.blockers).map(({ id }) => id),
      "blockers",
    );
    equal(refused.blockerCount, held.length, "blockerCount");
    equal(refused.position, held.length + 1, "position");
    within(
      refused.retryInMs,
      1,
      (held.at(-1) as Lease).expiresInMs,
      "retryInMs, of a blocker that is not listed",
    );
  },

  async "several claims are granted together or not at all"(c) {
    await c.hold("b");
    await c.refused(c.request(exclusive("a", "b", "c"), { agentId: "bob" }));
    await c.hold(exclusive("a", "c"), { agentId: "carol", on: c.other });
  },

  async "the same id again is the same lease with the same token, and extends nothing"(c) {
    const request = c.request("r", { ttlMs: c.time.longMs });
    const first = await c.granted(request);
    await c.time.pass(20);
    for (const client of [c.backend, c.other]) {
      const repeat = await client.acquire(request);
      equal(repeat.status === "granted" && repeat.repeated, true, "a grant, marked as repeated");
      if (repeat.status !== "granted") return;
      equal(repeat.lease.token, first.token, "token");
      equal(repeat.lease.acquiredAt, first.acquiredAt, "acquiredAt");
      within(repeat.lease.expiresInMs, 0, first.expiresInMs - 10 + GRAIN_MS, "expiresInMs");
    }
    equal(await c.story(first), ["acquired"], "the history knows one grant");
  },

  async "the same id may name its claims in another order; what else the first request said counts"(c) {
    const first = await c.hold([...exclusive("a"), ...shared("b")], { maxRenewals: 2, reason: "first" });
    const repeat = await c.granted(
      c.request([...shared("b"), ...exclusive("a")], {
        id: first.id,
        ttlMs: c.time.shortMs,
        maxRenewals: null,
        reason: "second",
        metadata: { second: true },
      }),
    );
    equal(
      [repeat.ttlMs, repeat.maxRenewals, repeat.reason, repeat.metadata],
      [first.ttlMs, 2, "first", null],
      "kept",
    );
  },

  async "the id of another agent is not to be had"(c) {
    const held = await c.hold("r");
    const stolen = c.request("r", { id: held.id, agentId: "mallory" });
    await rejects(c.backend.acquire(stolen), "LEASE_NOT_OWNER", "another agent's active id");
    const pending = await c.queue("r", { agentId: "bob" });
    await rejects(
      c.other.acquire({ ...stolen, id: pending.id }),
      "LEASE_NOT_OWNER",
      "another agent's pending id",
    );
    await c.revoke(pending);
    await rejects(
      c.backend.acquire({ ...stolen, id: pending.id }),
      "LEASE_NOT_OWNER",
      "another agent's ended id",
    );
    equal(
      (await c.list()).map(({ id }) => id),
      [held.id],
      "what is live",
    );
  },

  async "a living id asked with other claims is a mistake, and said so"(c) {
    const held = await c.hold(exclusive("a", "b"));
    for (const claims of [exclusive("a"), exclusive("a", "c"), exclusive("a", "b", "c"), shared("a", "b")]) {
      const request = c.request(claims, { id: held.id });
      await rejects(c.backend.acquire(request), "INVALID_ARGUMENT", JSON.stringify(claims), "claims");
    }
    const pending = await c.queue("a", { agentId: "bob" });
    for (const resource of ["b", "unclaimed"]) {
      const request = c.request(resource, { id: pending.id, agentId: "bob", wait: "queue" });
      await rejects(c.other.acquire(request), "INVALID_ARGUMENT", `a pending id, ${resource}`, "claims");
      const stranger = { ...request, agentId: "carol" };
      await rejects(c.other.acquire(stranger), "LEASE_NOT_OWNER", `a pending id of another, ${resource}`);
    }
    equal((await c.find(held.id))?.claims, held.claims, "the claims held");
  },

  async "of many that ask at the same time, from two clients, exactly one is granted"(c) {
    const asks = Array.from({ length: 20 }, (_, index) =>
      (index % 2 ? c.backend : c.other).acquire(c.request("r", { agentId: `agent-${index}` })),
    );
    const results = await Promise.all(asks);
    equal(results.filter(({ status }) => status === "granted").length, 1, "grants");
    equal((await c.list()).length, 1, "live leases");
  },

  async "many overlapping requests at the same time never give two conflicting leases"(c) {
    const names = ["a", "a/b", "a/b/c", "a/**", "a/b/**", "d", "d/**", "**"];
    const asks = Array.from({ length: 60 }, (_, index) => {
      const first = names[index % 8] as string;
      const second = names[(index * 5 + 3) % 8] as string;
      const claims = index % 3 ? shared(first, second) : [...exclusive(first), ...shared(second)];
      const request = c.request(claims, {
        agentId: `agent-${index}`,
        wait: index % 4 === 0 ? "queue" : "no",
      });
      return (index % 2 ? c.backend : c.other).acquire(request);
    });
    await Promise.all(asks);
    const active = await c.list({ state: "active" });
    for (const [index, one] of active.entries()) {
      for (const two of active.slice(index + 1)) {
        const clash = one.claims.some((mine) => two.claims.some((theirs) => conflicts(mine, theirs)));
        check(!clash, `${JSON.stringify(one.claims)} beside ${JSON.stringify(two.claims)}`);
      }
    }
    check(active.length > 0, "somebody was granted");
  },

  async "one agent may hold many leases; they conflict like anybody's"(c) {
    await c.hold("a");
    await c.hold("b", { on: c.other });
    await c.hold(shared("c"));
    await c.hold(shared("c"));
    const refused = await c.refused(c.request("a"));
    equal(refused.blockers[0]?.agentId, "alice", "the blocker");
  },

  async "what was handed in and out is a copy: changing it changes nothing"(c) {
    const metadata = { list: [1, 2], own: "yes" };
    const request = c.request(exclusive("a", "b"), { metadata, holding: [] });
    const asked = structuredClone(request) as AcquireRequest;
    const held = await c.granted(request);
    metadata.own = "no";
    metadata.list.push(3);
    (request.claims as unknown[]).pop();
    for (const lease of [held, (await c.list())[0] as Lease, (await c.events())[0]?.lease as Lease]) {
      attempt(() => (lease.claims as unknown[]).pop());
      attempt(() => (lease.holding as unknown[]).push("x"));
      attempt(() => ((lease.metadata as Record<string, unknown>).own = "changed"));
    }
    for (const lease of [await c.find(held.id), (await c.events())[0]?.lease]) {
      equal(
        [lease?.claims, lease?.holding, lease?.metadata],
        [asked.claims, asked.holding, asked.metadata],
        "what the store keeps",
      );
    }
  },
};

function checkComplete(c: CaseContext, lease: Lease, request: AcquireRequest): void {
  const { id, agentId, claims, maxRenewals, holding, reason, metadata } = request;
  equal(
    { ...lease, state: 0, token: 0, ttlMs: 0, expiresInMs: 0, requestedAt: 0, acquiredAt: 0, expiresAt: 0 },
    {
      ...{ id, agentId, claims, maxRenewals, holding, reason, metadata, renewals: 0, revoking: null },
      ...{ state: 0, token: 0, ttlMs: 0, expiresInMs: 0, requestedAt: 0, acquiredAt: 0, expiresAt: 0 },
    },
    "what was asked for",
  );
  within(lease.token, 1, Number.MAX_SAFE_INTEGER, "token");
  check(Number.isInteger(lease.token), "the token is a whole number");
  within(lease.ttlMs, request.ttlMs, request.ttlMs + c.limits.ttlStepMs - 1, "ttlMs");
  for (const at of [lease.requestedAt, lease.expiresAt])
    check(RFC_3339.test(at), `${at} is a time in RFC 3339`);
}

/** Objects handed out may be frozen, which also keeps the store safe. */
function attempt(change: () => unknown): void {
  try {
    change();
  } catch {}
}
