/** Who stands in the way of a claim: found by keys, never by a scan. */
import type { Claim } from "@lease/core";
import { coveringSubtrees, subtreeBase } from "@lease/core/backend";
import { EXCLUSIVE, modeNumber } from "./codec.js";
import { type ClaimRow, KIND, type Statements, type StoredClaim } from "./statements.js";

/** A lease of which a claim was found. */
export interface Holder {
  readonly token: number;
  /** Its id, as `idKey` writes it. */
  readonly key: string;
}

/**
 * All leases, live or dead, with a claim that conflicts with one of these; in the order of their tokens.
 *
 * @param hasSubtrees - whether anybody claims a subtree at all
 */
export function conflictingHolders(
  statements: Statements,
  claims: readonly Claim[],
  hasSubtrees: boolean,
): Holder[] {
  if (claims.length > 1 && !hasSubtrees && nobodyClaims(statements, claims)) return [];
  const holders: Holder[] = [];
  for (const { resource, mode } of claims) {
    for (const row of claimsOver(statements, resource, hasSubtrees)) {
      if (mode === "exclusive" || row.mode === EXCLUSIVE) holders.push({ token: row.token, key: row.body });
    }
  }
  return holders.length < 2 ? holders : inOrder(holders);
}

/** What is mostly so, in one look, where nobody claims a subtree. */
function nobodyClaims(statements: Statements, claims: readonly Claim[]): boolean {
  const resources = claims.map(({ resource }) => resource);
  return resources.every((resource) => subtreeBase(resource) === null) && !statements.isAnyClaimed(resources);
}

/** All leases with a claim that overlaps a resource, in the order of their tokens. */
export function overlappingHolders(statements: Statements, resource: string): Holder[] {
  return inOrder(claimsOver(statements, resource, true).map((row) => ({ token: row.token, key: row.body })));
}

/** What a claim is stored as. */
export function storedClaim({ resource, mode }: Claim): StoredClaim {
  const base = subtreeBase(resource);
  const number = modeNumber(mode);
  return base === null
    ? { kind: KIND.claim, key: resource, mode: number }
    : { kind: KIND.subtree, key: base, mode: number };
}

/** All claims on a resource, on a subtree that contains it, and, if it is a subtree itself, on what is in it. */
function claimsOver(statements: Statements, resource: string, hasSubtrees: boolean): ClaimRow[] {
  const base = subtreeBase(resource);
  if (base === "") return statements.allClaims.all();
  const exact = statements.claimsOn.all(base ?? resource);
  if (base === null && !hasSubtrees) return exact;

  const bases = coveringSubtrees(resource).map((subtree) => subtreeBase(subtree) as string);
  if (base === null) return [...exact, ...statements.subtreesOn(bases)];

  // "0" is the character after "/": between the two lies all that begins with `base/`.
  const below = statements.claimsBetween.all(`${base}/`, `${base}0`);
  if (!hasSubtrees) return [...exact, ...below];
  const subtrees = statements.subtreesOn([...bases, base]);
  return [...exact, ...below, ...subtrees, ...statements.subtreesBetween.all(`${base}/`, `${base}0`)];
}

function inOrder(holders: readonly Holder[]): Holder[] {
  const byToken = new Map(holders.map((holder) => [holder.token, holder]));
  return [...byToken.values()].sort((a, b) => a.token - b.token);
}
