import { MAX } from "@lease/core";
import { check, equal, rejects, within } from "../assert.js";
import type { Cases } from "./context.js";
import { GRAIN_MS } from "./time.js";

export const limitCases: Cases = {
  async "the limits make sense together"(c) {
    const { minTtlMs, ttlStepMs, maxClaims, expirySlackMs, endMemoryMs, orphanSlackTtls } = c.limits;
    for (const [name, value] of Object.entries({ minTtlMs, ttlStepMs, maxClaims, endMemoryMs })) {
      check(
        Number.isSafeInteger(value) && value >= 1,
        `${name} is a whole number of at least 1, got ${value}`,
      );
    }
    check(minTtlMs <= MAX.ttlMs, "minTtlMs is not above MAX.ttlMs");
    check(
      expirySlackMs >= GRAIN_MS && Number.isFinite(expirySlackMs),
      "expirySlackMs is a duration of at least a grain of the clock",
    );
    check(orphanSlackTtls >= 0 && Number.isFinite(orphanSlackTtls), "orphanSlackTtls is a number");
    check(["recorded", "counted", "uncounted"].includes(c.limits.renewals), "renewals is one of its three");
    equal(typeof c.limits.mayEndEarly, "boolean", "mayEndEarly");
    check(["kept", "compacted"].includes(c.limits.history), "history is one of its two");
    equal({ ...c.other.limits }, { ...c.limits }, "two clients of one namespace declare the same");
    check(c.backend.kind.length > 0, "the backend says what kind it is");
  },

  async "the shortest and the longest TTL are taken, and one millisecond beyond is refused"(c) {
    const { minTtlMs, ttlStepMs } = c.limits;
    const maxTtlMs = MAX.ttlMs;
    const longest = await c.hold("longest", { ttlMs: maxTtlMs, waitTtlMs: maxTtlMs });
    within(longest.expiresInMs, maxTtlMs - 60_000, maxTtlMs + ttlStepMs, "expiresInMs of the longest");
    const shortest = await c.hold("shortest", { ttlMs: minTtlMs, waitTtlMs: minTtlMs });
    within(
      shortest.expiresInMs,
      0,
      Math.ceil(minTtlMs / ttlStepMs) * ttlStepMs,
      "expiresInMs of the shortest",
    );
    await c.renewed(longest, { ttlMs: maxTtlMs });
    await c.renewed(longest, { ttlMs: minTtlMs });
    const asks = (over: object) => c.backend.acquire(c.request("r", over));
    for (const ttl of [minTtlMs - 1, maxTtlMs + 1]) {
      await rejects(asks({ ttlMs: ttl }), "INVALID_ARGUMENT", `ttlMs ${ttl}`, "ttlMs");
      await rejects(asks({ waitTtlMs: ttl }), "INVALID_ARGUMENT", `waitTtlMs ${ttl}`, "waitTtlMs");
      await rejects(
        c.renew(longest, { ttlMs: ttl }),
        "INVALID_ARGUMENT",
        `renewing for ${ttl}`,
        "requests[0].ttlMs",
      );
    }
    equal(await c.revoke(longest, maxTtlMs), "revoking", "the longest grace");
    await rejects(
      c.revoke(longest, maxTtlMs + 1),
      "INVALID_ARGUMENT",
      "a longer grace",
      "requests[0].graceMs",
    );
  },

  async "TTLs are rounded up to the step, never down"(c) {
    const { ttlStepMs, minTtlMs } = c.limits;
    const asked = Math.max(minTtlMs, 20_000) + 1;
    const before = c.time.now();
    const held = await c.hold("r", { ttlMs: asked });
    const took = c.time.now() - before;
    const rounded = Math.ceil(asked / ttlStepMs) * ttlStepMs;
    within(held.expiresInMs, asked - took - GRAIN_MS, rounded, "expiresInMs");
    within(held.ttlMs, asked, rounded, "ttlMs");
  },

  async "as many claims as maxClaims are granted and conflict, and one more is refused"(c) {
    const { maxClaims } = c.limits;
    const claims = Array.from({ length: maxClaims }, (_, index) => ({
      resource: `many/${index}`,
      mode: index % 2 ? ("shared" as const) : ("exclusive" as const),
    }));
    const held = await c.hold(claims);
    equal((await c.find(held.id))?.claims.length, maxClaims, "claims, as listed");
    await c.refused(c.request(`many/${maxClaims - 1}`, { agentId: "bob" }), c.other);
    const tooMany = [...claims, { resource: "one/more", mode: "shared" as const }];
    await rejects(c.backend.acquire(c.request(tooMany)), "INVALID_ARGUMENT", "one claim more", "claims");
    equal(await c.release(held), "released", "releasing all of them");
    await c.hold("many/**", { agentId: "bob" });
  },

  async "an end is remembered for endMemoryMs"(c) {
    const expiring = await c.hold("a", { ttlMs: c.time.shortMs });
    await c.outlive(expiring);
    await c.backend.sweep({});
    const revoked = await c.hold("b");
    await c.revoke(revoked);
    const abandoned = await c.hold("d");
    await c.abandon(abandoned);
    const never = c.request("e");
    await c.abandon(never);
    // In real time a good part of the promise is enough: a store that forgets does so at once or at a sweep.
    const left = c.limits.endMemoryMs - GRAIN_MS;
    await c.time.pass(c.time.clock === undefined ? Math.min(left, c.time.shortMs) : left);
    await c.other.sweep({ historyRetentionMs: 0 });
    c.auditable = false;
    const ends = { expired: expiring, revoked: revoked, released: abandoned };
    for (const [end, lease] of Object.entries(ends)) {
      const result = await c.again(lease, { on: c.other });
      equal(result.status === "ended" && result.end, end, `asking again for what was ${end}`);
    }
    equal((await c.backend.acquire(never)).status, "ended", "an id abandoned before it was asked for");
    equal((await c.renew(expiring)).status, "expired", "renewing what expired");
    equal((await c.renew(revoked)).status, "revoked", "renewing what was revoked");
  },

  async "renewals are told in the history, or the limits say that they are not"(c) {
    const held = await c.hold("r");
    await c.renewed(held);
    await c.renewed(held);
    const told = (await c.story(held)).filter((type) => type === "renewed").length;
    equal(told, c.limits.renewals === "recorded" ? 2 : 0, "renewed events");
  },
};
