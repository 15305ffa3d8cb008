import { describe, expect, test } from "vitest";
import { leaseOf, matchesFilters, refusalOf, sameClaims, timestamp } from "../src/backend/record.js";
import { MAX_BLOCKERS } from "../src/model/model.js";
import { recordWith } from "./records.js";

const at = { now: 1000, wallNow: Date.UTC(2026, 0, 1, 0, 0, 15) };

describe("what callers are shown of a lease", () => {
  test("time left by the clock that decides, and times to read", () => {
    expect(leaseOf(recordWith(), at)).toMatchObject({
      expiresInMs: 20_000,
      requestedAt: "2026-01-01T00:00:00.000Z",
      acquiredAt: "2026-01-01T00:00:05.000Z",
      expiresAt: "2026-01-01T00:00:35.000Z",
      revoking: null,
    });
  });

  test("a pending one was not acquired yet", () => {
    expect(leaseOf(recordWith({ state: "pending", acquiredWall: null }), at).acquiredAt).toBeNull();
  });

  test.each(["released", "expired", "revoked", "cancelled"] as const)(
    "a lease that is %s has no time left",
    (state) => {
      expect(leaseOf(recordWith({ state }), at).expiresInMs).toBe(0);
    },
  );

  test("no time is ever negative", () => {
    const revoking = { by: "ops", reason: "deploy", refusedFrom: 900 };
    const lease = leaseOf(recordWith({ expires: 500, revoking }), at);
    expect(lease.expiresInMs).toBe(0);
    expect(lease.revoking).toEqual({ by: "ops", reason: "deploy", graceInMs: 0 });
  });

  test("the grace that is left of a soft revoke", () => {
    const revoking = { by: "ops", reason: null, refusedFrom: 3500 };
    expect(leaseOf(recordWith({ revoking }), at).revoking?.graceInMs).toBe(2500);
  });
});

describe("a refusal", () => {
  const claims = [
    { resource: "docs/a.md", mode: "shared" },
    { resource: "src/**", mode: "shared" },
  ] as const;

  test("names each blocker with the claim of its own that conflicts first", () => {
    const blocker = recordWith({
      claims: [
        { resource: "docs/**", mode: "shared" },
        { resource: "src/app.ts", mode: "exclusive" },
      ],
      reason: "rename",
    });
    expect(refusalOf(claims, [blocker], 1000)).toEqual({
      blockers: [
        {
          id: blocker.id,
          agentId: "agent-1",
          resource: "src/app.ts",
          mode: "exclusive",
          state: "active",
          token: 5,
          reason: "rename",
          expiresInMs: 20_000,
        },
      ],
      blockerCount: 1,
      position: 2,
      retryInMs: 20_000,
    });
  });

  test("lists the first eight, counts all, and looks at the soonest expiry of all", () => {
    const blockers = Array.from({ length: 12 }, (_, index) =>
      recordWith({ token: index + 1, expires: 13_000 - index * 1000 }),
    );
    const refusal = refusalOf(claims, blockers, 1000);
    expect(refusal.blockers.map(({ token }) => token)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(refusal.blockers).toHaveLength(MAX_BLOCKERS);
    expect(refusal).toMatchObject({ blockerCount: 12, position: 13, retryInMs: 1000 });
  });
});

describe("the same claims", () => {
  const a = { resource: "a", mode: "exclusive" } as const;
  const b = { resource: "b", mode: "shared" } as const;

  test("in any order", () => {
    expect(sameClaims([a, b], [b, a])).toBe(true);
  });

  test.each([
    ["one more", [a, b]],
    ["another mode", [{ ...a, mode: "shared" } as const]],
    ["another resource", [b]],
  ])("not with %s", (_what, other) => {
    expect(sameClaims([a], other)).toBe(false);
  });
});

describe("filters", () => {
  const record = recordWith();
  test.each([
    ["none", {}, true],
    ["its id", { ids: ["x", record.id] }, true],
    ["other ids", { ids: ["x"] }, false],
    ["no ids", { ids: [] }, false],
    ["its agent", { agentId: "agent-1" }, true],
    ["another agent", { agentId: "agent-2" }, false],
    ["its resource", { resource: "src/app.ts" }, true],
    ["a subtree that contains it", { resource: "src/**" }, true],
    ["a directory above it", { resource: "src" }, false],
    ["all must pass", { agentId: "agent-1", resource: "docs/**" }, false],
  ])("%s", (_what, filters, passes) => {
    expect(matchesFilters(record, filters)).toBe(passes);
  });
});

test("timestamps are RFC 3339 in UTC", () => {
  expect(timestamp(0)).toBe("1970-01-01T00:00:00.000Z");
});
