/** `LeasePage.cursor`: whoever lists, and then follows from there, misses nothing. */
import type { Lease, LeaseBackend, LeaseEvent } from "@lease/core";
import type { LeasePage, LeaseQuery } from "@lease/core/backend";
import { check, equal, rejects } from "../assert.js";
import { replay, standing } from "../replay.js";
import { type CaseContext, type Cases, exclusive } from "./context.js";
import { follow } from "./follow.js";

const told = (events: readonly LeaseEvent[]) => events.map(({ type, lease }) => `${type} ${lease.id}`);

export const listAndFollowCases: Cases = {
  async "from the cursor of a page all is told that came after it, and nothing that came before"(c) {
    const held = await c.hold("r");
    await c.release(await c.hold("s", { on: c.other }));
    const before = await c.events();
    const pages: [string, LeasePage][] = [];
    for (const [what, query] of QUERIES) pages.push([what, await c.other.list(query)]);
    for (const [what, { cursor }] of pages)
      equal(await c.events({ after: cursor }), [], `nothing yet: ${what}`);
    const pending = await c.queue("r", { agentId: "bob", on: c.other });
    await c.release(held);
    const after = (await c.events()).slice(before.length);
    equal(told(after), [`queued ${pending.id}`, `released ${held.id}`], "what came after");
    for (const [what, { cursor }] of pages) equal(await c.events({ after: cursor }, c.other), after, what);
  },

  async "the cursor of an untouched namespace stands before all that will ever be written to it"(c) {
    const pages = [await c.backend.list({}), await c.other.list({ ids: [] })];
    for (const { cursor } of pages)
      equal(await c.events({ after: cursor }, c.other), [], "what is told so far");
    const [one, two] = pages.map(({ cursor }, index) =>
      follow(c, index === 0 ? c.other : c.backend, { after: cursor }),
    ) as [ReturnType<typeof follow>, ReturnType<typeof follow>];
    const held = await c.hold("r");
    await c.release(held);
    const whole = [`acquired ${held.id}`, `released ${held.id}`];
    for (const follower of [one, two]) {
      await follower.until((events) => events.length >= 2);
      await follower.stop();
      equal(told(follower.events), whole, "what a follower from there saw");
    }
    // Also when it comes back late: the history has begun in the meantime.
    for (const { cursor } of pages)
      equal(told(await c.events({ after: cursor })), whole, "what is told later");
  },

  async "all pages of a listing bear the cursor of the first, so what happens between them is told"(c) {
    const held: Lease[] = [];
    for (let index = 0; index < 5; index += 1) held.push(await c.hold(`r/${index}`));
    const listed: Lease[] = [];
    const cursors = new Set<string>();
    let after: string | undefined;
    for (const mine of [0, 2, 4]) {
      const page = await c.other.list({ limit: 2, after });
      listed.push(...page.leases);
      cursors.add(page.cursor);
      after = page.next ?? undefined;
      // Of the page just read, so that no later one shows it.
      await c.release(held[mine] as Lease);
      await c.hold(`new/${mine}`, { on: c.other });
    }
    equal(cursors.size, 1, "how many cursors the pages bear");
    const events = await c.events({ after: [...cursors][0] });
    equal(
      standing(replay(listed, events)),
      standing(await c.list()),
      "the pages with all that was told since",
    );
  },

  async "from the cursor of a page that is not the first, too, everything is told"(c) {
    const gone = await c.hold("r/0");
    await c.hold("r/1");
    const first = await c.backend.list({ limit: 1 });
    await c.release(gone);
    const second = await c.other.list({ limit: 1, after: first.next ?? undefined });
    equal(told(await c.events({ after: second.cursor })), [`released ${gone.id}`], "what is told");
  },

  async "beside those who write, whoever lists and then follows misses nothing"(c) {
    const third = await c.open();
    let isOver = false;
    const writing = Promise.all(
      [c.backend, c.other, third].map((on, index) => comeAndGo(c, on, `agent-${index}`)),
    ).finally(() => {
      isOver = true;
    });
    const listings: Listing[] = [];
    while (!isOver && listings.length < MOST_LISTINGS) {
      const [, query] = QUERIES[listings.length % QUERIES.length] as (typeof QUERIES)[number];
      listings.push(await listSlowly(c, query));
    }
    const live = await listSlowly(c, {});
    const follower = follow(c, third, { after: live.cursor });
    await writing;
    await c.hold("last");
    const expected = standing(await c.list());
    await follower.until((events) =>
      told(events).some((one) => one.endsWith(expected.at(-1)?.[0] as string)),
    );
    await follower.stop();
    equal(standing(replay(live.leases, follower.events)), expected, "the picture of who followed live");
    check(listings.length > 0, "something was listed while others wrote");
    for (const { query, cursor, leases } of listings) {
      const { ids, agentId, resource } = query;
      const events = await c.events({ after: cursor, ids, agentId, resource });
      const now = standing(await c.list({ ids, agentId, resource }));
      equal(standing(replay(leases, events)), now, `the picture of who asked for ${JSON.stringify(query)}`);
    }
  },

  async "the end of a pruned history has its cursor; one from before what was pruned is refused"(c) {
    c.auditable = false;
    const before = await c.backend.list({});
    await c.release(await c.hold("old"));
    await c.time.pass(RETAIN_MS + 100);
    await c.backend.sweep({ historyRetentionMs: RETAIN_MS });
    const { cursor } = await c.other.list({});
    equal(await c.events({ after: cursor }), [], "what is told so far");
    await rejects(c.events({ after: before.cursor }), "CURSOR_EXPIRED", "a cursor with a gap after it");
    const held = await c.hold("r");
    equal(told(await c.events({ after: cursor })), [`acquired ${held.id}`], "what came after");
  },
};

const RETAIN_MS = 1_000;
const MOST_LISTINGS = 12;

/** A cursor does not depend on what is asked for, nor on there being any. */
const QUERIES: readonly [string, LeaseQuery][] = [
  ["all", {}],
  ["in small pages", { limit: 1 }],
  ["of an agent", { agentId: "agent-1" }],
  ["of no agent", { agentId: "nobody" }],
  ["no ids", { ids: [] }],
  ["below a subtree", { resource: "of/**" }],
  ["one resource", { resource: "shared" }],
];

interface Listing extends Pick<LeasePage, "cursor" | "leases"> {
  readonly query: LeaseQuery;
}

/** In pages of two: something happens between them. */
async function listSlowly(c: CaseContext, query: LeaseQuery): Promise<Listing> {
  const leases: Lease[] = [];
  let after: string | undefined;
  for (;;) {
    const page = await c.backend.list({ limit: 2, ...query, after });
    leases.push(...page.leases);
    if (page.next === null) return { query, leases, cursor: page.cursor };
    after = page.next;
  }
}

const ROUNDS = 25;

/** Every kind of transition that needs no time, over and over, with some leases left at the end. */
async function comeAndGo(c: CaseContext, on: LeaseBackend, agentId: string) {
  const asked = { agentId, on };
  for (let round = 0; round < ROUNDS; round += 1) {
    const mine = await c.hold(exclusive(`of/${agentId}/${round}`, `more/${agentId}/${round}`), asked);
    await c.renewed(mine, {}, on);
    const request = c.request("shared", { ...asked, wait: "queue" });
    const contested = await on.acquire(request);
    if (round % 3 === 0) await c.revoke(mine, 0, { on });
    else if (round % 3 === 1) await c.release(mine, on);
    if (contested.status !== "ended" && (round % 2 === 0 || contested.status === "granted"))
      await on.release([{ kind: "release", id: request.id, agentId }]);
  }
}
