import type { LeaseRecord } from "../src/backend/record.js";

/** A lease as a store keeps it: active, with a TTL of 30 s. */
export function recordWith(over: Partial<LeaseRecord> = {}): LeaseRecord {
  return {
    id: "01900000-0000-7000-8000-000000000001",
    agentId: "agent-1",
    claims: [{ resource: "src/app.ts", mode: "exclusive" }],
    state: "active",
    token: 5,
    ttlMs: 30_000,
    requestedWall: Date.UTC(2026, 0, 1),
    acquiredWall: Date.UTC(2026, 0, 1, 0, 0, 5),
    renewals: 0,
    maxRenewals: null,
    holding: [],
    reason: null,
    metadata: null,
    revoking: null,
    ...over,
  };
}
