/** The claims in the way of others: found by keys, never by a scan. */
import type { Claim } from "@lease/core";
import { coveringSubtrees, subtreeBase } from "@lease/core/backend";
import { EXCLUSIVE, modeNumber } from "./codec.js";
import { type ClaimRow, KIND, type Statements, type StoredClaim } from "./statements.js";

/**
 * Of each lease that conflicts with one of these claims, also of one that is over, a claim that does; in the order of
 * their tokens.
 *
 * @param hasSubtrees - whether there is any claim on a subtree
 */
export function conflicting(
  statements: Statements,
  claims: readonly Claim[],
  hasSubtrees: boolean,
): ClaimRow[] {
  if (claims.length > 1 && !hasSubtrees && isAllFree(statements, claims)) return [];
  const found: ClaimRow[] = [];
  for (const { resource, mode } of claims) {
    for (const row of claimsOver(statements, resource, hasSubtrees)) {
      if (mode === "exclusive" || row.mode === EXCLUSIVE) found.push(row);
    }
  }
  return oneOfEach(found);
}

/** Of each lease that overlaps a resource a claim that does, in the order of their tokens. */
export function overlapping(statements: Statements, resource: string): ClaimRow[] {
  return oneOfEach(claimsOver(statements, resource, true));
}

/** What a claim is stored as. */
export function storedClaim({ resource, mode }: Claim): StoredClaim {
  const base = subtreeBase(resource);
  const kind = base === null ? KIND.claim : KIND.subtree;
  return { kind, key: base ?? resource, mode: modeNumber(mode) };
}

/** Whether none of many resources is claimed, as is usual: one statement, where there are no claims on subtrees. */
function isAllFree(statements: Statements, claims: readonly Claim[]): boolean {
  const resources = claims.map(({ resource }) => resource);
  return resources.every((resource) => subtreeBase(resource) === null) && !statements.isAnyClaimed(resources);
}

/** All claims on a resource, on a subtree that contains it, and, if it is a subtree itself, on what is in it. */
function claimsOver(statements: Statements, resource: string, hasSubtrees: boolean): ClaimRow[] {
  const base = subtreeBase(resource);
  if (base === "") return statements.allClaims.all();
  const exact = statements.claimsOn.all(base ?? resource);
  if (base === null && !hasSubtrees) return exact;

  // "0" is the character after "/": between the two is all that begins with `base/`.
  const below = (kind: number) =>
    base === null ? [] : statements.claimsBetween.all(kind, `${base}/`, `${base}0`);
  if (!hasSubtrees) return [...exact, ...below(KIND.claim)];
  const bases = coveringSubtrees(resource).map((subtree) => subtreeBase(subtree) as string);
  if (base !== null) bases.push(base);
  return [...exact, ...below(KIND.claim), ...statements.subtreesOn(bases), ...below(KIND.subtree)];
}

function oneOfEach(rows: ClaimRow[]): ClaimRow[] {
  if (rows.length < 2) return rows;
  const byToken = new Map(rows.map((row) => [row.token, row]));
  return [...byToken.values()].sort((a, b) => a.token - b.token);
}
