import type { Lease } from "@lease/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findDeadlocks } from "../../src/manager/deadlock.js";
import { claims } from "../arbitraries.js";
import { cycleThrough, meddled, world } from "./support.js";

const lease = (token: number, more: Partial<Lease>): Lease =>
  ({ id: `${token}`, token, agentId: `agent-${token}`, state: "pending", holding: [], ...more }) as Lease;

/** A store in which these leases stand. */
function storeOf(leases: readonly Lease[]) {
  return meddled(world().backend, {
    list: async ({ ids, state }) => ({
      leases: leases.filter((one) => (ids?.includes(one.id) ?? true) && (state ?? one.state) === one.state),
      next: null,
      cursor: "",
    }),
  });
}

const exclusive = (resource: string) => [{ resource, mode: "exclusive" as const }];

/** Counts how often anything asks what the leases claim. */
function counted(leases: readonly Lease[]) {
  const count = { looks: 0 };
  const counting = leases.map((one) =>
    Object.defineProperty({ ...one }, "claims", {
      get: () => {
        count.looks += 1;
        return one.claims;
      },
    }),
  );
  return { count, counting };
}

const WAITERS = 3_000;

describe("a look at a long queue looks at each of its leases a few times, not at each for each of the others", () => {
  const held = Array.from({ length: WAITERS }, (_, index) =>
    lease(index + 1, { state: "active", claims: exclusive(`own/${index}`) }),
  );
  const queued = (resource: (index: number) => string) =>
    Array.from({ length: WAITERS }, (_, index) =>
      lease(WAITERS + index + 1, {
        agentId: `agent-${index + 1}`,
        claims: exclusive(resource(index)),
        holding: [`${index + 1}`],
      }),
    );

  test.each([
    ["for one resource", () => "a"],
    [
      "for one of few subtrees",
      (index: number) => (index % 9 === 0 ? `wide/${index % 90}/**` : `wide/${index % 90}/${index}`),
    ],
  ])("%s", async (_, resource) => {
    const { count, counting } = counted([...held, ...queued(resource)]);
    expect(cycleThrough(`${2 * WAITERS}`, counting)).toBeNull();
    expect(count.looks).toBeLessThan(4 * 2 * WAITERS);
    count.looks = 0;
    expect(await findDeadlocks(storeOf(counting))).toEqual([]);
    expect(count.looks).toBeLessThan(8 * 2 * WAITERS);
  });

  test("and lets the event loop turn meanwhile", async () => {
    const store = storeOf([...held, ...queued(() => "a")]);
    let turns = 0;
    let isOver = false;
    const turn = () => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    expect(await findDeadlocks(store)).toEqual([]);
    isOver = true;
    expect(turns).toBeGreaterThan(0);
  });
});

test("a chain of six thousand waits is longer than the stack is deep, and its cycle is found", async () => {
  const length = 6_000;
  // Each agent holds its own and waits for the next one's; the last one waits for the first one's.
  const leases = Array.from({ length }, (_, index) => [
    lease(index + 1, { agentId: `agent-${index}`, state: "active", claims: exclusive(`own/${index}`) }),
    lease(length + index + 1, {
      agentId: `agent-${index}`,
      claims: exclusive(`own/${(index + 1) % length}`),
      holding: [`${index + 1}`],
    }),
  ]).flat();
  const { count, counting } = counted(leases);
  const cycle = cycleThrough(`${2 * length}`, counting);
  expect(cycle).toHaveLength(length);
  expect(cycle?.slice(0, 2)).toMatchObject([
    { waitingId: `${2 * length}`, blockedById: "1" },
    { waitingId: `${length + 1}`, blockedById: "2" },
  ]);
  expect(count.looks).toBeLessThan(5 * leases.length);
  expect(cycleThrough(`${2 * length - 1}`, leases)).toBeNull();
  expect(await findDeadlocks(storeOf(leases.slice(0, -2)))).toEqual([]);
});

test("a chain whose agents came in any order is looked at a few times as well", async () => {
  const length = 2_000;
  const leases = Array.from({ length }, (_, index) => {
    const place = (index * 797) % length;
    return [
      lease(place + 1, { agentId: `agent-${place}`, state: "active", claims: exclusive(`own/${place}`) }),
      lease(length + index + 1, {
        agentId: `agent-${place}`,
        claims: exclusive(`own/${place + 1}`),
        holding: [`${place + 1}`],
      }),
    ];
  }).flat();
  const { count, counting } = counted(leases);
  expect(await findDeadlocks(storeOf(counting))).toEqual([]);
  expect(count.looks).toBeLessThan(8 * leases.length);
});

test("all cycles at once are those that a look through each request finds", async () => {
  const agent = fc.constantFrom("alice", "bob", "carol");
  const arbitraryLeases = fc
    .array(
      fc.record({
        agentId: agent,
        state: fc.constantFrom("active" as const, "pending" as const),
        claims,
        holding: fc.array(fc.integer({ min: 1, max: 9 }).map(String), { maxLength: 3 }),
      }),
      { maxLength: 9 },
    )
    .map((some) => some.map((one, index) => lease(index + 1, one)));
  let cycles = 0;
  await fc.assert(
    fc.asyncProperty(arbitraryLeases, async (leases) => {
      const found = await findDeadlocks(storeOf(leases));
      const expected = leases.filter(({ id }) => cycleThrough(id, leases) !== null).map(({ id }) => id);
      cycles += expected.length;
      expect(found.map(([step]) => step?.waitingId).sort()).toEqual(expected.sort());
    }),
    { numRuns: 500 },
  );
  expect(cycles).toBeGreaterThan(50);
});
