/** Who stands in the way of a claim: found by keys, never by a scan. */
import { type Claim, coveringSubtrees, subtreeBase } from "@lease/core";
import { EXCLUSIVE } from "./codec.js";
import type { ClaimRow, Statements } from "./statements.js";

/** The tokens of all leases, live or dead, with a claim that conflicts with one of these; smallest first. */
export function conflictingTokens(statements: Statements, claims: readonly Claim[]): number[] {
  let tokens: number[] | undefined;
  for (const { resource, mode } of claims) {
    for (const row of claimsOver(statements, resource)) {
      if (mode !== "exclusive" && row.mode !== EXCLUSIVE) continue;
      if (tokens === undefined) tokens = [row.token];
      else tokens.push(row.token);
    }
  }
  return tokens === undefined ? [] : inOrder(tokens);
}

/** The tokens of all leases with a claim that overlaps a resource, smallest first. */
export function overlappingTokens(statements: Statements, resource: string): number[] {
  return inOrder(claimsOver(statements, resource).map((row) => row.token));
}

/** All claims on a resource, on a subtree that contains it, and, if it is a subtree itself, on what is in it. */
function claimsOver(statements: Statements, resource: string): ClaimRow[] {
  const base = subtreeBase(resource);
  if (base === null) return statements.claimsOn([resource, ...coveringSubtrees(resource)]);
  if (base === "") return statements.allClaims.all();
  // "0" is the character after "/": between the two lies what begins with `base/`, `base/**` included.
  const below = statements.claimsBetween.all(`${base}/`, `${base}0`);
  const above = statements.claimsOn([base, ...coveringSubtrees(resource)]);
  return below.length === 0 ? above : [...above, ...below];
}

function inOrder(tokens: number[]): number[] {
  return tokens.length === 1 ? tokens : [...new Set(tokens)].sort((a, b) => a - b);
}
