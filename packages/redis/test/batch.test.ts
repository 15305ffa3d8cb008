/**
 * Operations that share one script call: each sees what those before it did, although nothing is written before all are
 * decided. The specification (the backend in memory) gets the same ones, one after the other.
 */
import { type Claim, createLeaseId, type Lease, type LeaseBackend, memoryBackend } from "@lease/core";
import type { AcquireRequest, LeaseQuery, WaitMode } from "@lease/core/backend";
import fc from "fast-check";
import { expect, test } from "vitest";
import { closing, open, request, useServer } from "./helpers.js";

const server = useServer();

const AGENTS = ["alice", "bob", "zoë"] as const;
const RESOURCES = ["src", "src/a", "src/a/x", "src/b", "src/**", "src/a/**", "lib"] as const;
const IDS = 8;

type Act =
  | {
      readonly act: "acquire";
      readonly slot: number;
      readonly wait: WaitMode;
      readonly claims: readonly Claim[];
    }
  | { readonly act: "release" | "abandon" | "renew"; readonly slot: number }
  | { readonly act: "revoke"; readonly slot: number; readonly graceMs: number };

const slot = fc.nat({ max: IDS - 1 });
const claims = fc.uniqueArray(
  fc.record({
    resource: fc.constantFrom(...RESOURCES),
    mode: fc.constantFrom<Claim["mode"][]>("exclusive", "exclusive", "shared"),
  }),
  { minLength: 1, maxLength: 3, selector: ({ resource }) => resource },
);
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      act: fc.constant("acquire"),
      slot,
      wait: fc.constantFrom<WaitMode>("no", "queue", "hand-off"),
      claims,
    }),
  },
  { weight: 4, arbitrary: fc.record({ act: fc.constantFrom("release", "abandon", "renew"), slot }) },
  {
    weight: 1,
    arbitrary: fc.record({ act: fc.constant("revoke"), slot, graceMs: fc.constantFrom(0, 60_000) }),
  },
);
/** What is asked for in one turn of the event loop, turn after turn. */
const turns = fc.array(fc.array(act, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 6 });

/** One run: its ids, its place, and what each id asked for first (to ask again is to ask for the same). */
class Run {
  readonly #ids = Array.from({ length: IDS }, () => createLeaseId());
  readonly #first = new Map<number, AcquireRequest>();
  readonly #place: string;

  constructor(place: string) {
    this.#place = place;
  }

  /** The call that an act is; to be made on either backend. */
  call(act: Act): (backend: LeaseBackend) => Promise<unknown> {
    const id = this.#ids[act.slot] as string;
    const agentId = AGENTS[act.slot % AGENTS.length] as string;
    switch (act.act) {
      case "acquire": {
        const claims = act.claims.map(({ resource, mode }) => ({ resource: this.#place + resource, mode }));
        const first = this.#first.get(act.slot) ?? request("", { id, agentId, claims });
        this.#first.set(act.slot, first);
        return (backend) => backend.acquire({ ...first, wait: act.wait });
      }
      case "renew":
        return (backend) => backend.renew([{ id, agentId }]);
      case "revoke":
        return (backend) =>
          backend.release([{ kind: "revoke", id, by: "op", reason: null, graceMs: act.graceMs }]);
      default:
        return (backend) => backend.release([{ kind: act.act as "release" | "abandon", id, agentId }]);
    }
  }
}

/** An answer without what depends on the clock or on other runs. */
async function told(answer: Promise<unknown>): Promise<unknown> {
  try {
    return JSON.parse(JSON.stringify(await answer), (key, value) =>
      /^(token|.*InMs|.*At|graceInMs)$/.test(key) ? undefined : value,
    );
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

async function compare(
  backend: LeaseBackend,
  place: string,
  plan: readonly (readonly Act[])[],
): Promise<void> {
  const specification = closing(memoryBackend());
  const run = new Run(place);
  for (const acts of plan) {
    const calls = acts.map((each) => run.call(each));
    const together = await Promise.all(calls.map((call) => told(call(backend))));
    const apart: unknown[] = [];
    for (const call of calls) apart.push(await told(call(specification)));
    expect(together).toEqual(apart);
    // Whatever was written tells the same, by every way to it.
    for (const query of [
      {},
      { agentId: "zoë" },
      { resource: `${place}src/**` },
      { resource: `${place}src/a` },
    ]) {
      const seen = (await listed(backend, query)).filter((lease) => isIn(place, lease));
      const expected = await listed(specification, query);
      expect(seen.map(({ id, state }) => ({ id, state }))).toEqual(
        expected.map(({ id, state }) => ({ id, state })),
      );
    }
  }
  const history = async (of: LeaseBackend) => {
    const types: string[] = [];
    for await (const { type, lease } of of.changes({}))
      if (isIn(place, lease)) types.push(`${type} ${lease.id}`);
    return types;
  };
  expect(await history(backend)).toEqual(await history(specification));
}

/** All pages. */
async function listed(backend: LeaseBackend, query: LeaseQuery): Promise<Lease[]> {
  const leases: Lease[] = [];
  for (let after: string | undefined; ; ) {
    const page = await backend.list({ ...query, after, limit: 700 });
    leases.push(...page.leases);
    if (page.next === null) return leases;
    after = page.next;
  }
}

function isIn(place: string, lease: Lease): boolean {
  return lease.claims.some(({ resource }) => resource.startsWith(place));
}

test("in a small namespace: asked together, answered as one after the other", async () => {
  await fc.assert(
    fc.asyncProperty(turns, async (plan) => {
      const backend = open({ url: server().url });
      await compare(backend, "", plan);
      await backend.close();
    }),
    { numRuns: 100 },
  );
});

test("in a namespace too big to walk through: the same, and every lease is found by its agent", async () => {
  const backend = open({ url: server().url });
  const others = await Promise.all(
    Array.from({ length: 1500 }, (_, index) =>
      backend.acquire(request(`others/${index}`, { agentId: `other-${index % 30}` })),
    ),
  );
  expect(others.every(({ status }) => status === "granted")).toBe(true);
  let place = 0;
  await fc.assert(
    fc.asyncProperty(turns, async (plan) => {
      place += 1;
      await compare(backend, `place-${place}/`, plan);
    }),
    { numRuns: 25 },
  );
  const ofOne = await backend.list({ agentId: "other-7", limit: 1000 });
  expect(ofOne.leases.map(({ claims }) => claims[0]?.resource)).toEqual(
    Array.from({ length: 50 }, (_, index) => `others/${index * 30 + 7}`),
  );
});
