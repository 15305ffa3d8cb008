/** What tests ask of a backend by hand, without a manager. */
import { type Claim, createLeaseId } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";

/**
 * A complete request for `backend.acquire`, with a new id: one resource exclusively (or the claims given), of the agent
 * `"alice"`, for a minute, without waiting.
 *
 * @param over - what is to be different; `waitTtlMs` is 15 000 unless it says otherwise
 */
export function acquireRequest(
  wanted: string | readonly Claim[],
  over: Partial<AcquireRequest> = {},
): AcquireRequest {
  return {
    id: createLeaseId(),
    agentId: "alice",
    claims: typeof wanted === "string" ? [{ resource: wanted, mode: "exclusive" }] : wanted,
    ttlMs: 60_000,
    maxRenewals: null,
    wait: "no",
    waitTtlMs: 15_000,
    holding: [],
    reason: null,
    metadata: null,
    ...over,
  };
}
