import { describe, expect, test } from "vitest";
import { leaseOf, matchesFilters, refusalOf, sameClaims, timestamp } from "../src/backend/record.js";
import { recordWith } from "./records.js";

const at = { now: 1000, wallNow: Date.UTC(2026, 0, 1, 0, 0, 15) };

describe("what callers are shown of a lease", () => {
  test("time left by the clock that decides, and times to read", () => {
    expect(leaseOf(recordWith(), 20_000, at)).toMatchObject({
      expiresInMs: 20_000,
      requestedAt: "2026-01-01T00:00:00.000Z",
      acquiredAt: "2026-01-01T00:00:05.000Z",
      expiresAt: "2026-01-01T00:00:35.000Z",
      revoking: null,
    });
  });

  test("a pending one was not acquired yet", () => {
    expect(leaseOf(recordWith({ state: "pending", acquiredWall: null }), 20_000, at).acquiredAt).toBeNull();
  });

  test.each(["released", "expired", "revoked", "cancelled"] as const)(
    "a lease that is %s has no time left",
    (state) => {
      expect(leaseOf(recordWith({ state }), 20_000, at).expiresInMs).toBe(0);
    },
  );

  test("no time is ever negative", () => {
    const revoking = { by: "ops", reason: "deploy", refusedFrom: 900 };
    const lease = leaseOf(recordWith({ revoking }), -500, at);
    expect(lease.expiresInMs).toBe(0);
    expect(lease.revoking).toEqual({ by: "ops", reason: "deploy", graceInMs: 0 });
  });

  test("the grace that is left of a soft revoke", () => {
    const revoking = { by: "ops", reason: null, refusedFrom: 3500 };
    expect(leaseOf(recordWith({ revoking }), 20_000, at).revoking?.graceInMs).toBe(2500);
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
    expect(refusalOf(claims, [{ lease: blocker, blocksMs: 20_000 }], 1, 20_000)).toEqual({
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

  test("counts also those that it does not show, and no time is negative", () => {
    const refusal = refusalOf(claims, [{ lease: recordWith(), blocksMs: -5 }], 12, -5);
    expect(refusal).toMatchObject({ blockerCount: 12, position: 13, retryInMs: 0 });
    expect(refusal.blockers[0]?.expiresInMs).toBe(0);
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
