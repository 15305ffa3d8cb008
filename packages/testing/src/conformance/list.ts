import type { Lease } from "@lease/core";
import { DEFAULT_PAGE } from "@lease/core/backend";
import { check, equal, within } from "../assert.js";
import { type Cases, exclusive, shared } from "./context.js";

const ids = (leases: readonly Lease[]) => leases.map(({ id }) => id);

export const listCases: Cases = {
  async "nothing is listed of an empty namespace"(c) {
    const { leases, next } = await c.backend.list({});
    equal({ leases, next }, { leases: [], next: null }, "the page");
  },

  async "live leases come by token, the same to every client"(c) {
    const held = [
      await c.hold("a"),
      await c.hold("b", { on: c.other }),
      await c.queue("a", { agentId: "bob" }),
    ];
    equal(ids(await c.list()), ids(held), "one client");
    equal(ids(await c.list({}, c.other)), ids(held), "the other");
    const [listed] = await c.list();
    equal(
      { ...listed, expiresInMs: 0, expiresAt: "" },
      { ...held[0], expiresInMs: 0, expiresAt: "" },
      "as granted",
    );
    within(listed?.expiresInMs ?? 0, 1, held[0]?.expiresInMs ?? 0, "expiresInMs");
  },

  async "filters: ids, agent, overlapping resource, state, and all of them together"(c) {
    const a = await c.hold(exclusive("src/a.ts", "x"));
    const b = await c.hold(shared("src/b/**"), { agentId: "bob" });
    const waiting = await c.queue("src/a.ts", { agentId: "bob" });
    const docs = await c.hold("docs");
    const all: [string, Parameters<typeof c.list>[0], Lease[]][] = [
      ["agentId", { agentId: "bob" }, [b, waiting]],
      ["an agent nobody knows", { agentId: "nobody" }, []],
      ["state active", { state: "active" }, [a, b, docs]],
      ["state pending", { state: "pending" }, [waiting]],
      ["ids", { ids: [docs.id, a.id, "00000000-0000-7000-8000-000000000000"] }, [a, docs]],
      ["no ids at all", { ids: [] }, []],
      ["a resource as claimed", { resource: "src/a.ts" }, [a, waiting]],
      ["a resource below a subtree claim", { resource: "src/b/c/d" }, [b]],
      ["a subtree above the claims", { resource: "src/**" }, [a, b, waiting]],
      ["everything", { resource: "**" }, [a, b, waiting, docs]],
      ["a resource that only begins alike", { resource: "src/a" }, []],
      [
        "together",
        { resource: "src/**", agentId: "bob", state: "pending", ids: ids([a, waiting]) },
        [waiting],
      ],
    ];
    for (const [what, query, expected] of all) {
      equal(ids(await c.list(query)), ids(expected), what);
      equal(ids(await c.list({ ...query, limit: 1 })), ids(expected), `${what}, a page each`);
    }
  },

  async "only live leases are listed: nothing that was released, revoked, cancelled or ran out"(c) {
    const held = await c.hold("a");
    const short = await c.hold("b", { ttlMs: c.time.shortMs });
    await c.release(await c.hold("d"));
    await c.revoke(await c.hold("e"));
    await c.release(await c.queue("a", { agentId: "bob" }));
    await c.outlive(short);
    equal(ids(await c.list()), [held.id], "what is listed, unswept");
  },

  async "pages hold what was asked for, in order and once each"(c) {
    const held: Lease[] = [];
    for (let index = 0; index < 7; index += 1) held.push(await c.hold(`r/${index}`));
    const seen: string[] = [];
    let after: string | undefined;
    for (const size of [3, 3, 1]) {
      const page = await c.other.list({ limit: 3, after });
      equal(page.leases.length, size, "the page's size");
      seen.push(...ids(page.leases));
      check(page.next !== null || size === 1, "there is a next page");
      after = page.next ?? undefined;
    }
    equal(seen, ids(held), "all pages");
  },

  async "without a limit a page is of the default size"(c) {
    const asks = Array.from({ length: DEFAULT_PAGE + 1 }, (_, index) => c.hold(`r/${index}`));
    await Promise.all(asks);
    const page = await c.backend.list({});
    equal(page.leases.length, DEFAULT_PAGE, "the first page");
    const rest = await c.backend.list({ after: page.next ?? undefined });
    equal([rest.leases.length, rest.next], [1, null], "the second page");
  },

  async "pages stay right while leases come and go"(c) {
    const held: Lease[] = [];
    for (let index = 0; index < 6; index += 1) held.push(await c.hold(`r/${index}`));
    const first = await c.backend.list({ limit: 2 });
    await c.release(held[0] as Lease);
    await c.release(held[1] as Lease);
    await c.release(held[3] as Lease);
    const added = await c.hold("r/new");
    const rest = await c.list({ limit: 2, after: first.next ?? undefined });
    equal(ids(rest), ids([held[2] as Lease, held[4] as Lease, held[5] as Lease, added]), "the other pages");
  },
};
