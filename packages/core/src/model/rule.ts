/**
 * The one rule: a lease is granted when none of its claims conflicts with a claim of an earlier live lease.
 *
 * Pure functions, no state. The memory, SQLite and etcd backends call them; where a store must decide on its own
 * (a Redis script) it restates them and the model test holds it to these.
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

/** What the rule needs to know of a lease. `expires` is on the backend's clock. */
export interface Standing {
  readonly token: number;
  readonly claims: readonly Claim[];
  readonly expires: number;
}

/** Live: pending or active (the caller passes no ended lease) and not past its time. */
export function isLive(lease: Standing, now: number): boolean {
  return now < lease.expires;
}

/**
 * The earlier live leases that stand in the way of a request, in order of their tokens. Empty: the request is
 * granted. A request that has no token yet comes after all: pass `Infinity`.
 */
export function blockersOf<L extends Standing>(
  request: { readonly token: number; readonly claims: readonly Claim[] },
  leases: Iterable<L>,
  now: number,
): L[] {
  const blockers: L[] = [];
  for (const lease of leases) {
    if (lease.token < request.token && isLive(lease, now) && firstConflict(request.claims, lease.claims)) {
      blockers.push(lease);
    }
  }
  return blockers.sort((a, b) => a.token - b.token);
}

function contains(subtree: string, resource: string): boolean {
  const base = subtreeBase(subtree);
  if (base === null) return false;
  return base === "" || resource === base || resource.startsWith(`${base}/`);
}
