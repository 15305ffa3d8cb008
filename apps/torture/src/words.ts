/** Requests and answers in a few words, for the trace. */
import type { Claim, Lease } from "@lease/core";
import type {
  AcquireRequest,
  AcquireResult,
  ReleaseRequest,
  RenewRequest,
  RenewResult,
} from "@lease/core/backend";

export function claimsInWords(claims: readonly Claim[]): string {
  return claims
    .map(({ resource, mode }) => (mode === "shared" ? `${resource} (shared)` : resource))
    .join(" + ");
}

export function acquireInWords({ id, claims, ttlMs, waitTtlMs, wait, holding }: AcquireRequest): string {
  const kept = holding.length === 0 ? "" : `, holding ${holding.join(" ")}`;
  const times = wait === "no" ? `for ${ttlMs} ms` : `for ${ttlMs} ms, place for ${waitTtlMs} ms`;
  return `${id} ${claimsInWords(claims)} ${times}, wait: ${wait}${kept}`;
}

export function renewInWords({ id, renewal, ttlMs }: RenewRequest): string {
  return `${id} number ${renewal}${ttlMs === undefined ? "" : ` for ${ttlMs} ms`}`;
}

export function releaseInWords({ kind, id }: ReleaseRequest): string {
  return `${kind} ${id}`;
}

export function answerInWords(answer: unknown): string {
  if (Array.isArray(answer)) return answer.map(answerInWords).join("; ");
  const result = answer as AcquireResult | RenewResult;
  const parts: string[] = [result?.status ?? "an answer"];
  if ("repeated" in result && result.repeated) parts.push("repeated");
  if ("blockers" in result) {
    parts.push(
      `behind ${result.blockers.map(({ id, expiresInMs }) => `${id} (${expiresInMs} ms)`).join(" ")}`,
    );
  }
  if ("lease" in result && result.lease != null) parts.push(leaseInWords(result.lease));
  if ("end" in result) parts.push(result.end);
  return parts.join(", ");
}

function leaseInWords({ token, state, expiresInMs, renewals }: Lease): string {
  return `${state} token ${token}, ${expiresInMs} ms left, ${renewals} renewals`;
}
