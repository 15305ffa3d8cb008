import { isLeaseError } from "@lease/core";
import type { SweepResult } from "@lease/core/backend";
import { check, equal, rejects } from "../assert.js";
import { type CaseContext, type Cases, exclusive } from "./context.js";

export const sweepCases: Cases = {
  async "with nothing past its time a sweep does nothing"(c) {
    const held = await c.hold("r");
    await c.queue("r", { agentId: "bob" });
    equal(await c.backend.sweep({}), { expired: [], pruned: 0, more: false }, "the answer");
    equal((await c.list()).length, 2, "what is live");
    equal(await c.story(held), ["acquired"], "the history");
  },

  async "what is past its time is ended once, recorded as expired, and returned"(c) {
    const kept = await c.hold("kept");
    const held = await c.hold("r", { ttlMs: c.time.shortMs });
    const pending = await c.queue("kept", { agentId: "bob", waitTtlMs: c.time.shortMs });
    await c.outlive(held);
    await c.outlive(pending);
    const swept = [...(await c.backend.sweep({})).expired, ...(await c.other.sweep({})).expired];
    // A store that ends leases by itself has nothing left to return, but has recorded the same.
    for (const lease of swept)
      equal([lease.state, lease.expiresInMs], ["expired", 0], "a lease that was swept");
    equal(new Set(swept.map(({ id }) => id)).size, swept.length, "none is returned twice");
    await c.time.until(
      async () => ((await c.story(pending)).at(-1) === "expired" ? true : undefined),
      "the record",
    );
    equal(await c.story(held), ["acquired", "expired"], "the history of the holder");
    equal(await c.story(pending), ["queued", "expired"], "the history of the waiter");
    equal(
      (await c.list()).map(({ id }) => id),
      [kept.id],
      "what is live",
    );
    equal((await c.renew(held)).status, "expired", "renewing what was swept");
    equal((await c.again(held)).status, "ended", "asking for it again");
  },

  async "a sweep ends at most as many as its limit, by token, and the next goes on"(c) {
    const held = await c.hold(exclusive("a"), { ttlMs: c.time.shortMs });
    await c.hold("b", { ttlMs: c.time.shortMs });
    const last = await c.hold("d", { ttlMs: c.time.shortMs });
    await c.outlive(held);
    await c.outlive(last);
    const sweeps: SweepResult[] = [];
    for (let round = 0; round < 4; round += 1) sweeps.push(await c.backend.sweep({ limit: 2 }));
    const sizes = sweeps.map(({ expired }) => expired.length);
    // All of them here; none where the store ends leases by itself.
    equal(sizes.every((size) => size <= 2) && sizes.at(-1), 0, "how many each sweep ended");
    check(
      sweeps.every(({ more }, round) => more || (sizes[round + 1] ?? 0) === 0),
      "a sweep that stopped at its limit says that there is more",
    );
    equal(sweeps.at(-1)?.more, false, "whether there is more when all is done");
    for (const lease of [held, last]) {
      await c.time.until(
        async () => ((await c.story(lease)).at(-1) === "expired" ? true : undefined),
        "the record",
      );
    }
  },

  async "history older than asked for is pruned and counted, and nothing younger"(c) {
    c.auditable = false;
    await oldHistory(c);
    const before = await c.events();
    const young = await c.hold("young");
    const { pruned } = await c.other.sweep({ historyRetentionMs: RETAIN_MS });
    equal(pruned, before.length, "how many entries were pruned");
    equal(
      (await c.events()).map(({ lease }) => lease.id),
      [young.id],
      "what is left",
    );
    equal(
      (await c.backend.sweep({ historyRetentionMs: 3_600_000 })).pruned,
      0,
      "what a longer retention prunes",
    );
    equal((await c.backend.sweep({})).pruned, 0, "what a sweep without retention prunes");
  },

  async "a cursor before pruned entries is refused; one after them goes on"(c) {
    c.auditable = false;
    await oldHistory(c);
    const old = await c.events();
    const young = await c.hold("young");
    await c.backend.sweep({ historyRetentionMs: RETAIN_MS });
    for (const event of old.slice(0, -1)) {
      await rejects(
        c.events({ after: event.cursor }, c.other),
        "CURSOR_EXPIRED",
        "a cursor with a gap after it",
      );
    }
    const rest = await c.events({ after: old.at(-1)?.cursor });
    equal(
      rest.map(({ lease }) => lease.id),
      [young.id],
      "after the last entry pruned there is no gap",
    );
    const cursor = rest[0]?.cursor;
    equal(await c.events({ after: cursor }), [], "after the newest entry");
  },

  async "a reader overtaken by a sweep is told so: it never goes on past a gap"(c) {
    c.auditable = false;
    const ROUNDS = 400;
    for (let round = 0; round < ROUNDS; round += 1) await c.release(await c.hold("r"));
    const whole = (await c.events()).map(({ cursor }) => cursor);
    await c.time.pass(RETAIN_MS + 100);
    const read: string[] = [];
    let failure: unknown = null;
    try {
      for await (const { cursor } of c.backend.changes({})) {
        read.push(cursor);
        if (read.length === 1) await c.other.sweep({ historyRetentionMs: RETAIN_MS });
      }
    } catch (error) {
      failure = error;
    }
    equal(read, whole.slice(0, read.length), "what it read, without a gap");
    if (read.length < whole.length)
      check(isLeaseError(failure, "CURSOR_EXPIRED"), "it ends with CURSOR_EXPIRED");
    else equal(failure, null, "it read everything");
  },

  async "pruning everything leaves leases, tokens and the end of the feed alone"(c) {
    c.auditable = false;
    const held = await c.hold("kept");
    await oldHistory(c);
    const last = (await c.events()).at(-1);
    await c.backend.sweep({ historyRetentionMs: RETAIN_MS });
    equal(await c.events(), [], "the history");
    equal(await c.events({ after: last?.cursor }), [], "after its old end");
    equal((await c.find(held.id))?.token, held.token, "the lease");
    await c.release(held);
    equal(
      (await c.events({ after: last?.cursor })).map(({ type }) => type),
      ["released"],
      "what came after",
    );
  },
};

const RETAIN_MS = 1_000;

/** Some history, all of it older than {@link RETAIN_MS}. */
async function oldHistory(c: CaseContext): Promise<void> {
  await c.release(await c.hold("old/1"));
  await c.release(await c.hold("old/2"));
  await c.time.pass(RETAIN_MS + 100);
}
