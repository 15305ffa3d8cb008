/**
 * The one rule: a lease is granted when none of its claims conflicts with a claim of an earlier live lease.
 *
 * Pure functions, no state. Stores look for conflicts by key and call these where they compare; where a store must
 * decide on its own (a Redis script) it restates them, and the model test holds it to these.
 */
import type { Claim } from "./model.js";
import { subtreeBase } from "./resource.js";

/** Whether two resources overlap: equal, or one is a subtree that contains the other. */
export function overlaps(a: string, b: string): boolean {
  return a === b || contains(a, b) || contains(b, a);
}

/** Whether two claims conflict: their resources overlap and not both are shared. */
export function conflicts(a: Claim, b: Claim): boolean {
  return (a.mode === "exclusive" || b.mode === "exclusive") && overlaps(a.resource, b.resource);
}

/** The first of `theirs` that conflicts with any of `ours`, or `null`. */
export function firstConflict<C extends Claim>(ours: readonly Claim[], theirs: readonly C[]): C | null {
  return theirs.find((theirClaim) => ours.some((ourClaim) => conflicts(ourClaim, theirClaim))) ?? null;
}

/**
 * The earlier leases in the way of a request, in order of their tokens. Empty: the request is granted.
 *
 * @param live - pending and active leases whose time is not over
 */
export function blockersOf<L extends { readonly token: number; readonly claims: readonly Claim[] }>(
  request: { readonly token: number; readonly claims: readonly Claim[] },
  live: readonly L[],
): L[] {
  return live
    .filter((lease) => lease.token < request.token && firstConflict(request.claims, lease.claims))
    .sort((a, b) => a.token - b.token);
}

function contains(subtree: string, resource: string): boolean {
  const base = subtreeBase(subtree);
  if (base === null) return false;
  return base === "" || resource === base || resource.startsWith(`${base}/`);
}
