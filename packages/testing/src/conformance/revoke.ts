import { check, equal, within } from "../assert.js";
import type { Cases } from "./context.js";

export const revokeCases: Cases = {
  async "a revoke frees at once, and tells the holder who and why at its next call"(c) {
    const held = await c.hold("r");
    equal(await c.revoke(held, 0, { by: "ops", reason: "deploy", on: c.other }), "revoked", "the answer");
    const next = await c.hold("r", { agentId: "bob" });
    check(next.token > held.token, "the next holder's token fences the old one off");
    equal(await c.renew(held), { status: "revoked", by: "ops", reason: "deploy" }, "the holder's renewal");
    equal(await c.release(held), "not-found", "the holder's release");
    equal(
      await c.again(held),
      { status: "ended", end: "revoked", by: "ops", reason: "deploy" },
      "its acquire",
    );
    equal(await c.revoke(held), "not-found", "a second revoke");
  },

  async "the history keeps who revoked what, and why"(c) {
    const held = await c.hold("r");
    await c.revoke(held, 0, { by: "ops", reason: "deploy" });
    const event = (await c.events({ types: ["revoked"] }))[0];
    equal(
      [event?.lease.id, event?.lease.state, event?.by, event?.reason],
      [held.id, "revoked", "ops", "deploy"],
      "event",
    );
    const silent = await c.hold("r");
    await c.revoke(silent, 0, { by: "ops", reason: null });
    equal(
      (await c.events({ ids: [silent.id], types: ["revoked"] }))[0]?.reason,
      null,
      "a revoke without a reason",
    );
    equal((await c.renew(silent)) as unknown, { status: "revoked", by: "ops", reason: null }, "its renewal");
  },

  async "a waiter can be revoked, with a grace or without: it leaves the queue at once"(c) {
    await c.hold("r");
    for (const graceMs of [0, c.time.longMs]) {
      const pending = await c.queue("r", { agentId: "bob" });
      equal(await c.revoke(pending, graceMs), "revoked", "the answer");
      equal(await c.find(pending.id), undefined, "what is left");
      equal(await c.story(pending), ["queued", "revoked"], "the history");
    }
  },

  async "a soft revoke marks the lease, tells the feed, and breaks nobody's belief"(c) {
    const held = await c.hold("r");
    const answer = await c.revoke(held, c.time.longMs, { by: "ops", reason: "deploy", on: c.other });
    equal(answer, "revoking", "the answer");
    const listed = await c.find(held.id);
    equal(
      [listed?.state, listed?.revoking?.by, listed?.revoking?.reason],
      ["active", "ops", "deploy"],
      "as listed",
    );
    within(listed?.revoking?.graceInMs ?? 0, 1, c.time.longMs, "graceInMs");
    await c.refused(c.request("r", { agentId: "bob" }));
    const events = await c.events({ ids: [held.id] });
    equal(
      events.map(({ type }) => type),
      ["acquired", "revoking"],
      "the history",
    );
    equal(
      [events[1]?.by, events[1]?.reason, events[1]?.lease.revoking?.by],
      ["ops", "deploy", "ops"],
      "the event",
    );
  },

  async "within the grace a lease can be renewed, repeated and released"(c) {
    const held = await c.hold("r");
    await c.revoke(held, c.time.longMs);
    const renewed = await c.renewed(held);
    equal([renewed.renewals, renewed.revoking?.by], [1, "operator"], "a renewal, marked");
    const repeat = await c.again(held);
    equal(repeat.status === "granted" && repeat.lease.revoking?.by, "operator", "a repeated acquire, marked");
    equal(await c.release(held), "released", "a release");
    equal((await c.story(held)).at(-1), "released", "the history calls it released");
    equal((await c.renew(held)).status, "not-found", "a renewal after the release");
  },

  async "after the grace renewals are refused, and the lease runs out at its own expiry, as revoked"(c) {
    const held = await c.hold("r", { ttlMs: c.time.shortMs * 2 });
    await c.revoke(held, Math.ceil(c.time.shortMs / 2), { by: "ops", reason: "deploy" });
    const refused = await c.time.until(async () => {
      const result = await c.renew(held, { renewal: 1, ttlMs: c.limits.minTtlMs });
      return result.status === "renewed" ? undefined : result;
    }, "the grace is over");
    equal(refused, { status: "revoked", by: "ops", reason: "deploy" }, "the renewal");
    const blocked = await c.other.acquire(c.request("r", { agentId: "bob" }));
    if (c.time.clock !== undefined) equal(blocked.status, "refused", "somebody else, before the expiry");
    await c.outlive(held);
    await c.other.sweep({});
    await c.time.until(
      async () => ((await c.story(held)).at(-1) === "revoked" ? true : undefined),
      "its end",
    );
    const end = (await c.events({ ids: [held.id] })).at(-1);
    equal([end?.by, end?.reason], ["ops", "deploy"], "who and why");
    equal(
      await c.again(held),
      { status: "ended", end: "revoked", by: "ops", reason: "deploy" },
      "its acquire",
    );
  },

  async "a second soft revoke can shorten the grace and not lengthen it; a hard one ends it"(c) {
    const held = await c.hold("r");
    const half = Math.floor(c.time.longMs / 2);
    await c.revoke(held, half, { by: "first" });
    equal(await c.revoke(held, c.time.longMs, { by: "later" }), "revoking", "a longer one");
    equal((await c.find(held.id))?.revoking?.by, "first", "who, after a longer one");
    equal(await c.revoke(held, 1000, { by: "sooner" }), "revoking", "a shorter one");
    const listed = await c.find(held.id);
    equal(listed?.revoking?.by, "sooner", "who, after a shorter one");
    within(listed?.revoking?.graceInMs ?? -1, 0, 1000, "graceInMs");
    equal(await c.story(held), ["acquired", "revoking", "revoking"], "the history");
    equal(await c.revoke(held, 0, { by: "hard" }), "revoked", "a hard one");
    equal((await c.renew(held)).status === "revoked" && (await c.story(held)).at(-1), "revoked", "the end");
    await c.hold("r", { agentId: "bob" });
  },

  async "the grace itself extends nothing: a lease that is not renewed ends at its TTL"(c) {
    const held = await c.hold("r", { ttlMs: c.time.shortMs });
    await c.revoke(held, c.time.longMs);
    const listed = await c.find(held.id);
    within(listed?.expiresInMs ?? 0, 0, held.expiresInMs, "expiresInMs");
    await c.outlive(held);
    await c.hold("r", { agentId: "bob" });
    equal((await c.story(held)).at(-1), "revoked", "its end");
  },
};
