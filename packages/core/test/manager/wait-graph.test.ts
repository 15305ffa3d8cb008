import { circleThrough, findDeadlocks, type Lease } from "@lease/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { claims } from "../arbitraries.js";
import { meddled, world } from "./support.js";

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

test("whoever looks at a long line looks at each pair of waiters a few times, not at each for each of the others", async () => {
  const length = 200;
  let looked = 0;
  const leases = Array.from({ length }, (_, index) =>
    Object.defineProperty(lease(index + 1, { holding: [`${length + index}`] }), "claims", {
      get: () => {
        looked += 1;
        return [{ resource: "a", mode: "exclusive" }];
      },
    }),
  );
  const held = Array.from({ length }, (_, index) =>
    lease(length + index, { state: "active", claims: [{ resource: `own-${index}`, mode: "exclusive" }] }),
  );
  expect(await findDeadlocks(storeOf([...leases, ...held]))).toEqual([]);
  expect(looked).toBeLessThan(5 * length * length);
});

test("all circles at once are those that a look through each request finds", async () => {
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
  let circles = 0;
  await fc.assert(
    fc.asyncProperty(arbitraryLeases, async (leases) => {
      const found = await findDeadlocks(storeOf(leases));
      const expected = leases.filter(({ id }) => circleThrough(id, leases) !== null).map(({ id }) => id);
      circles += expected.length;
      expect(found.map(([step]) => step?.waitingId).sort()).toEqual(expected.sort());
    }),
    { numRuns: 500 },
  );
  expect(circles).toBeGreaterThan(50);
});
