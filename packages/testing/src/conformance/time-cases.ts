import { check, equal, within } from "../assert.js";
import { type CaseContext, type Cases, exclusive, shared } from "./context.js";
import { GRAIN_MS } from "./time.js";

export const timeCases: Cases = {
  async "a lease lives for the time it was told, and blocks no longer than the slack after it"(c) {
    const asked = c.time.now();
    const held = await c.hold("r", { ttlMs: c.time.shortMs });
    const answered = c.time.now();
    await blocksFor(c, { asked, answered, expiresInMs: held.expiresInMs }, async () => {
      const result = await c.other.acquire(c.request("r", { agentId: "bob" }));
      return result.status === "refused";
    });
  },

  async "a waiter stays queued for waitTtlMs from its last question, and no longer"(c) {
    await c.hold(shared("r"));
    const pending = await c.queue("r", { agentId: "bob" });
    const asked = c.time.now();
    const again = await c.again(pending, { waitTtlMs: c.time.shortMs });
    const answered = c.time.now();
    const expiresInMs = again.status === "refused" ? (again.lease?.expiresInMs ?? 0) : 0;
    const margin = answered - asked + GRAIN_MS;
    within(
      expiresInMs,
      c.time.shortMs - margin,
      c.time.shortMs + c.limits.ttlStepMs - 1,
      "the waitTtlMs of the last question",
    );
    await blocksFor(c, { asked, answered, expiresInMs }, async () => {
      const result = await c.other.acquire(c.request(shared("r"), { agentId: "carol" }));
      return result.status === "refused";
    });
  },

  async "renewing keeps a lease past the TTL of its grant"(c) {
    const held = await c.hold("r", { ttlMs: c.time.shortMs });
    await c.renewed(held, { ttlMs: c.time.longMs });
    await c.time.pass(c.time.shortMs + c.limits.expirySlackMs + 50);
    await c.refused(c.request("r", { agentId: "bob" }), c.other);
    equal((await c.find(held.id))?.state, "active", "the lease");
  },

  async "an expired lease is not listed, not renewed, not released; its id answers expired"(c) {
    const held = await c.hold("r", { ttlMs: c.time.shortMs, maxRenewals: 0 });
    await c.outlive(held);
    equal(await c.list(), [], "what is listed");
    equal(await c.renew(held), { status: "expired" }, "renewing it");
    equal(await c.release(held), "not-found", "releasing it");
    equal(await c.revoke(held), "not-found", "revoking it");
    equal(await c.again(held), { status: "ended", end: "expired", by: null, reason: null }, "asking again");
    equal(await c.story(held), ["acquired", "expired"], "the history");
    equal(
      (await c.renew({ ...held, agentId: "mallory" })).status,
      "not-owner",
      "renewing it as somebody else",
    );
  },

  async "a grant records as expired every dead lease that it passes, before itself"(c) {
    const dead = [
      await c.hold(shared("a/b"), { ttlMs: c.time.shortMs }),
      await c.hold(shared("a/c"), { ttlMs: c.time.shortMs, agentId: "bob" }),
    ];
    for (const lease of dead) await c.outlive(lease);
    const next = await c.hold(exclusive("a/**"), { agentId: "carol", on: c.other });
    const events = await c.events({ types: ["acquired", "expired"] });
    const at = (id: string, type: string) =>
      events.findIndex((event) => event.lease.id === id && event.type === type);
    for (const { id } of dead)
      within(at(id, "expired"), 0, at(next.id, "acquired"), "the place of its expiry");
  },

  async "the refusal's retryInMs is when to ask again with nobody acting"(c) {
    await c.hold("r", { ttlMs: c.time.shortMs });
    const request = c.request("r", { agentId: "bob" });
    const { retryInMs } = await c.refused(request);
    within(retryInMs, 1, c.time.shortMs + c.limits.ttlStepMs, "retryInMs");
    await c.time.pass(retryInMs + c.limits.expirySlackMs);
    await c.granted(request, c.other);
  },

  async "stepping the wall clock an hour neither ends a lease nor lets it live on"(c) {
    const { clock } = c.time;
    const held = await c.hold("r");
    const short = await c.hold("s", { ttlMs: c.time.shortMs });
    clock?.stepWall(3_600_000);
    equal((await c.renew(held)).status, "renewed", "after a step forward");
    clock?.stepWall(-7_200_000);
    equal((await c.renew(held)).status, "renewed", "after a step back");
    await c.outlive(short);
    const next = await c.hold("s", { agentId: "bob" });
    check(next.token > short.token, "tokens grow though the wall clock went back");
    clock?.stepWall(3_600_000);
    equal((await c.find(held.id))?.state, "active", "the long lease");
  },
};

/** What is known of a lease: it was given `expiresInMs` at a moment between `asked` and `answered`. */
interface Given {
  readonly asked: number;
  readonly answered: number;
  readonly expiresInMs: number;
}

/**
 * Checks both bounds. On a simulated clock by stepping right up to them; in real time by asking until nothing blocks,
 * from what the two sides can know: an answer was given between its question and its arrival. So no slow machine can
 * break it, and no lax store gets past it.
 */
async function blocksFor(c: CaseContext, given: Given, blocked: () => Promise<boolean>): Promise<void> {
  const { expirySlackMs } = c.limits;
  const { asked, answered, expiresInMs } = given;
  if (c.time.clock !== undefined) {
    await c.time.pass(expiresInMs - GRAIN_MS);
    check(await blocked(), "it blocks until its last moment");
    await c.time.pass(expirySlackMs);
    check(!(await blocked()), "it blocks no longer");
    return;
  }
  const earliest = asked + expiresInMs - GRAIN_MS;
  const latest = answered + expiresInMs + expirySlackMs;
  const probe = async () => {
    const before = c.time.now();
    const still = await blocked();
    const after = c.time.now();
    if (still)
      check(before <= latest, `still blocked ${before - answered} ms after ${expiresInMs} were given`);
    else check(after >= earliest, `free ${after - asked} ms after ${expiresInMs} were given`);
    return still ? undefined : true;
  };
  await c.time.until(probe, "the lease ends", expiresInMs + expirySlackMs + 10_000);
}
