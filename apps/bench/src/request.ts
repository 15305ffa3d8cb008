import type { AcquireRequest } from "@lease/core";

/** A complete request for one resource. */
export function request(
  id: string,
  agentId: string,
  resource: string,
  over: Partial<AcquireRequest> = {},
): AcquireRequest {
  return {
    id,
    agentId,
    claims: [{ resource, mode: "exclusive" }],
    ttlMs: 30_000,
    maxRenewals: null,
    wait: false,
    waitTtlMs: 15_000,
    holding: [],
    reason: null,
    metadata: null,
    ...over,
  };
}
