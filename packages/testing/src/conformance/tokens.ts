import { check, equal } from "../assert.js";
import { type Cases, shared } from "./context.js";

export const tokenCases: Cases = {
  async "tokens grow with every request that enters the queue, whoever asks and for whatever"(c) {
    const tokens: number[] = [];
    for (let index = 0; index < 30; index += 1) {
      const on = index % 2 ? c.backend : c.other;
      const lease = await c.hold(`r/${index}`, { agentId: `agent-${index % 3}`, on });
      tokens.push(lease.token);
      if (index % 3 === 0) await c.release(lease);
    }
    const sorted = [...new Set(tokens)].sort((a, b) => a - b);
    equal(tokens, sorted, "the tokens, in the order granted");
    check(
      tokens.every((token) => Number.isSafeInteger(token) && token > 0),
      "they are whole numbers below 2^53",
    );
  },

  async "a token is never given twice, also not after release, expiry, revoke and sweep"(c) {
    let last = 0;
    const greater = (token: number, what: string) => {
      check(token > last, `${what}: ${token} after ${last}`);
      last = token;
    };
    const released = await c.hold("r");
    greater(released.token, "the first");
    await c.release(released);
    const revoked = await c.hold("r");
    greater(revoked.token, "after a release");
    await c.revoke(revoked);
    const expiring = await c.hold("r", { ttlMs: c.time.shortMs });
    greater(expiring.token, "after a revoke");
    await c.outlive(expiring);
    await c.backend.sweep({ historyRetentionMs: 0 });
    c.auditable = false;
    const client = await c.open();
    greater((await c.hold("r", { on: client })).token, "after an expiry, a sweep and a pruned history");
  },

  async "a waiter that never got its turn takes its token with it"(c) {
    const held = await c.hold("r");
    const cancelled = await c.queue("r", { agentId: "bob" });
    await c.release(cancelled);
    await c.release(held);
    const next = await c.hold("r", { agentId: "carol" });
    check(next.token > cancelled.token, "the next token is greater than the one that left the queue");
  },

  async "of many at the same time no two get the same token"(c) {
    const asks = Array.from({ length: 50 }, (_, index) =>
      c.granted(c.request(shared("r"), { agentId: `agent-${index}` }), index % 2 ? c.backend : c.other),
    );
    const tokens = (await Promise.all(asks)).map(({ token }) => token);
    equal(new Set(tokens).size, tokens.length, "different tokens");
  },
};
