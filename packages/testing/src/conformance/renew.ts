import type { Lease } from "@lease/core";
import { check, equal, within } from "../assert.js";
import { type CaseContext, type Cases, only } from "./context.js";
import { GRAIN_MS } from "./time.js";

export const renewCases: Cases = {
  async "a renewal extends from now, is counted, and recorded if the limits say so"(c) {
    const held = await c.hold("r", { maxRenewals: 5 });
    await c.time.pass(30);
    const before = await c.find(held.id);
    const renewed = await c.renewed(held, { renewal: 1 }, c.other);
    within(
      renewed.expiresInMs,
      (before?.expiresInMs ?? 0) + 10,
      c.time.longMs + c.limits.ttlStepMs,
      "expiresInMs",
    );
    equal([renewed.renewals, renewed.token, renewed.state], [1, held.token, "active"], "the lease");
    equal((await c.find(held.id))?.renewals, 1, "as listed");
    const events = await c.events({ ids: [held.id], types: ["renewed"] });
    equal(
      events.map(({ lease }) => lease.renewals),
      c.limits.renewals === "recorded" ? [1] : [],
      "what the history tells",
    );
  },

  async "a renewal never shortens"(c) {
    const held = await c.hold("r");
    const renewed = await c.renewed(held, { ttlMs: c.time.shortMs, renewal: 1 });
    within(renewed.expiresInMs, c.time.longMs / 2, c.time.longMs + c.limits.ttlStepMs, "expiresInMs");
    equal(renewed.renewals, 1, "it counts all the same");
  },

  async "a renewal may name a TTL of its own; the next one goes by the lease's again"(c) {
    const held = await c.hold("r", { ttlMs: c.time.shortMs });
    const longer = await c.renewed(held, { ttlMs: c.time.longMs });
    within(longer.expiresInMs, c.time.shortMs + 1000, c.time.longMs + c.limits.ttlStepMs, "expiresInMs");
    equal(longer.ttlMs, held.ttlMs, "the lease's ttlMs");
    equal((await c.renewed(held)).ttlMs, held.ttlMs, "the lease's ttlMs, after one without");
  },

  async "a repeat of a counted renewal is answered again, and neither counted nor extending"(c) {
    const held = await c.hold("r", { maxRenewals: 2 });
    const first = await c.renewed(held, { renewal: 1 });
    await c.time.pass(30);
    const repeat = await c.renewed(held, { renewal: 1 }, c.other);
    equal(repeat.renewals, 1, "renewals");
    equal(await repeatedOf(c, held, 1), true, "repeated");
    within(repeat.expiresInMs, 0, first.expiresInMs - 20 + GRAIN_MS, "expiresInMs goes on running");
    equal(await repeatedOf(c, held, 2), false, "repeated, of the next");
    equal((await c.find(held.id))?.renewals, 2, "the next is still free");
    if (c.limits.renewals === "recorded") {
      equal(await c.story(held), ["acquired", "renewed", "renewed"], "the history");
    }
  },

  async "without a count every renewal counts as one more"(c) {
    const held = await c.hold("r", { maxRenewals: 100 });
    for (let renewal = 1; renewal <= 5; renewal += 1) await c.renewed(held, { renewal });
    equal((await c.renewed(held)).renewals, 6, "the sixth");
    equal((await c.renewed(held)).renewals, 7, "the seventh");
    equal((await c.renewed(held, { renewal: 3 })).renewals, 7, "an old one that comes late");
  },

  async "a count that skips is out of order and writes nothing, and the right one then extends"(c) {
    const held = await c.hold("r", { maxRenewals: 100 });
    const before = await c.renewed(held, { renewal: 1 });
    for (const renewal of [3, 9, Number.MAX_SAFE_INTEGER]) {
      await c.time.pass(30);
      const answer = await c.renew(held, { renewal }, c.other);
      equal(answer.status, "out-of-order", `the answer to ${renewal} after 1`);
      if (answer.status !== "out-of-order") return;
      equal(answer.lease.renewals, 1, "what is counted");
      within(answer.lease.expiresInMs, 0, before.expiresInMs - 20 + c.limits.ttlStepMs, "expiresInMs");
    }
    equal((await c.find(held.id))?.renewals, 1, "as listed");
    await c.time.pass(30);
    const next = await c.renewed(held, { renewal: 2 });
    equal(next.renewals, 2, "the right one");
    within(
      next.expiresInMs,
      before.expiresInMs - 20,
      c.time.longMs + c.limits.ttlStepMs,
      "expiresInMs, whole again",
    );
    if (c.limits.renewals === "recorded") {
      equal(await c.story(held), ["acquired", "renewed", "renewed"], "the history");
    }
  },

  async "out of order comes before the limit, and the last count may be repeated"(c) {
    const held = await c.hold("r", { maxRenewals: 2 });
    equal((await c.renew(held, { renewal: 9 })).status, "out-of-order", "the ninth of two, at first");
    await c.renewed(held, { renewal: 1 });
    await c.renewed(held, { renewal: 2 });
    equal(await repeatedOf(c, held, 2), true, "the last once more");
    equal((await c.renew(held, { renewal: 3 })).status, "renewal-limit", "one more than agreed");
    equal((await c.renew(held, { renewal: 4 })).status, "out-of-order", "one that skips, at the limit");
  },

  async "a batch with one out of order renews the others"(c) {
    const [a, b] = [await c.hold("a", { maxRenewals: 9 }), await c.hold("b", { maxRenewals: 9 })];
    const results = await c.other.renew([
      { id: a.id, agentId: a.agentId, token: a.token, renewal: 5 },
      { id: b.id, agentId: b.agentId, token: b.token, renewal: 1 },
      { id: a.id, agentId: a.agentId, token: a.token, renewal: 1 },
    ]);
    equal(
      results.map(({ status }) => status),
      ["out-of-order", "renewed", "renewed"],
      "the answers",
    );
  },

  async "renewals without a limit are counted, or the limits say that they are not"(c) {
    const held = await c.hold("r");
    equal((await c.renewed(held, { renewal: 1 })).renewals, 1, "as answered");
    equal((await c.renewed(held, { renewal: 2 })).renewals, 2, "the second, as answered");
    equal((await c.find(held.id))?.renewals, c.limits.renewals === "uncounted" ? 0 : 2, "as listed");
    if (c.limits.renewals !== "uncounted") return;
    for (const renewal of [1, 2, 7, Number.MAX_SAFE_INTEGER, 1]) {
      await c.time.pass(c.limits.ttlStepMs / 50);
      const answer = await c.renew(held, { renewal });
      equal(answer.status, "renewed", `not counted: the answer to ${renewal}`);
      if (answer.status !== "renewed") return;
      equal(answer.repeated, false, "repeated");
      within(
        answer.lease.expiresInMs,
        c.time.longMs - c.limits.ttlStepMs,
        c.time.longMs + c.limits.ttlStepMs,
        "a whole TTL",
      );
    }
  },

  async "after the last renewal agreed on the answer is renewal-limit, and the lease stays till its end"(c) {
    const held = await c.hold("r", { maxRenewals: 2 });
    await c.renewed(held, { renewal: 1 });
    await c.renewed(held, { renewal: 2 });
    equal(await c.renew(held, { renewal: 3 }), { status: "renewal-limit", maxRenewals: 2 }, "the third");
    equal(await c.renew(held), { status: "renewal-limit", maxRenewals: 2 }, "one without a count");
    const live = await c.find(held.id);
    equal([live?.state, live?.renewals], ["active", 2], "the lease");
    const once = await c.hold("s", { maxRenewals: 0 });
    equal(
      await c.renew(once, { renewal: 1 }),
      { status: "renewal-limit", maxRenewals: 0 },
      "with maxRenewals 0",
    );
  },

  async "only the owner renews: not another agent, not an older token"(c) {
    const held = await c.hold("r");
    equal((await c.renew({ ...held, agentId: "mallory" })).status, "not-owner", "another agent");
    equal((await c.renew({ ...held, token: held.token + 1 })).status, "not-owner", "another token");
    equal(
      (await c.renew({ ...held, agentId: "alice " })).status,
      "not-owner",
      "an agent of almost the same name",
    );
    equal((await c.renewed(held, { token: undefined })).renewals, 1, "the owner without a token");
    const pending = await c.queue("r", { agentId: "bob" });
    equal(
      (await c.renew({ ...pending, agentId: "mallory" })).status,
      "not-owner",
      "somebody else's pending id",
    );
  },

  async "what is not active is not renewed, and the answer says why"(c) {
    const pending = await behind(c, "r");
    equal(await c.renew(pending), { status: "pending" }, "a pending request");
    equal((await c.find(pending.id))?.renewals, 0, "its renewals");
    const released = await c.hold("s");
    await c.release(released);
    equal(await c.renew(released), { status: "not-found" }, "a released lease");
    const revoked = await c.hold("s");
    await c.revoke(revoked, 0, { by: "ops", reason: "deploy" });
    equal(await c.renew(revoked), { status: "revoked", by: "ops", reason: "deploy" }, "a revoked lease");
    equal(
      (await c.renew({ ...revoked, agentId: "mallory" })).status,
      "not-owner",
      "somebody else's revoked lease",
    );
    const unknown = { ...revoked, id: "00000000-0000-7000-8000-000000000000" };
    equal(await c.renew(unknown), { status: "not-found" }, "an unknown id");
    equal(await c.story(revoked), ["acquired", "revoked"], "nothing of it is recorded");
  },

  async "a batch is answered in the order asked, each lease for itself"(c) {
    const a = await c.hold("a", { maxRenewals: 9 });
    const [b, d] = [await c.hold("b", { maxRenewals: 0 }), await c.hold("d")];
    await c.release(d);
    const results = await c.other.renew([
      { id: d.id, agentId: d.agentId, token: d.token, renewal: 1 },
      { id: a.id, agentId: a.agentId, token: a.token, renewal: 1 },
      { id: b.id, agentId: b.agentId, token: b.token, renewal: 1 },
      { id: a.id, agentId: "mallory", token: a.token, renewal: 2 },
      { id: a.id, agentId: a.agentId, token: a.token, renewal: 2 },
    ]);
    equal(
      results.map(({ status }) => status),
      ["not-found", "renewed", "renewal-limit", "not-owner", "renewed"],
      "the answers",
    );
    equal((await c.find(a.id))?.renewals, 2, "the lease renewed twice in one batch");
    equal(await c.backend.renew([]), [], "a batch of nothing");
  },

  async "a big batch renews every lease in it"(c) {
    const COUNT = 250;
    const held = [];
    for (let index = 0; index < COUNT; index += 1) held.push(await c.hold(`r/${index}`));
    const results = await c.other.renew(
      held.map(({ id, agentId, token }) => ({ id, agentId, token, renewal: 1 })),
    );
    equal(results.length, COUNT, "answers");
    for (const [index, result] of results.entries()) {
      equal(result.status === "renewed" && result.lease.id, held[index]?.id, `answer ${index}`);
    }
  },

  async "renewing does not move anybody in the queue"(c) {
    const held = await c.hold("r");
    const pending = await c.queue("r", { agentId: "bob" });
    await c.renewed(held);
    const again = await c.again(pending);
    check(again.status === "refused" && again.position === 2, "the waiter is still next");
    equal(only(again.blockers).id, held.id, "behind the one lease");
  },
};

async function repeatedOf(c: CaseContext, held: Lease, renewal: number): Promise<boolean | undefined> {
  const answer = await c.renew(held, { renewal });
  return answer.status === "renewed" ? answer.repeated : undefined;
}

async function behind(c: CaseContext, resource: string) {
  await c.hold(resource);
  return await c.queue(resource, { agentId: "bob" });
}
