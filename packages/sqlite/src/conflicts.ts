/** The claims in the way of others: found by keys, never by a scan. */
import type { Claim } from "@lease/core";
import { coveringSubtrees, subtreeBase } from "@lease/core/backend";
import { EXCLUSIVE, idText, modeNumber, unreadable } from "./codec.js";
import type { QueuedClaim, SqliteRival } from "./queues.js";
import { type ClaimRow, type Head, KIND, type Statements, type StoredClaim } from "./statements.js";

/** Each lease that conflicts with one of these claims, also one that is over, in the order of their tokens. */
export function conflicting(
  statements: Statements,
  head: Head,
  claims: readonly Claim[],
): readonly SqliteRival[] {
  const hasSubtrees = head.has_subtrees === 1;
  if (claims.length > 1 && !hasSubtrees && isAllFree(statements, claims)) return [];
  const lists = claims
    .flatMap((claim) => rivalsOf(statements, head, claim))
    .filter(({ length }) => length > 0);
  const [only = []] = lists;
  return lists.length < 2 ? only : oneOfEach(lists.flat());
}

/** The nearest lease before a token that conflicts with one of these claims, also one that is over. */
export function nearestBefore(
  statements: Statements,
  claims: readonly Claim[],
  token: number,
): ClaimRow | undefined {
  let nearest: ClaimRow | undefined;
  const consider = (row: ClaimRow | undefined) => {
    if (row !== undefined && row.token < token && row.token > (nearest?.token ?? 0)) nearest = row;
  };
  for (const { resource, mode } of claims) {
    const leastMode = mode === "exclusive" ? 0 : EXCLUSIVE;
    const base = subtreeBase(resource);
    const subtrees = coveringSubtrees(resource).map((subtree) => subtreeBase(subtree) as string);
    if (base !== null) {
      subtrees.push(base);
      for (const row of within(statements, base)) if (row.mode >= leastMode) consider(row);
    }
    if (base !== "") consider(statements.claimBefore.get(KIND.claim, base ?? resource, token, leastMode));
    for (const each of subtrees) consider(statements.claimBefore.get(KIND.subtree, each, token, leastMode));
  }
  return nearest;
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

/** The leases that conflict with a claim, in lists that are each in the order of their tokens. */
function rivalsOf(statements: Statements, head: Head, { resource, mode }: Claim): (readonly SqliteRival[])[] {
  const conflicts = ({ mode: theirs }: { readonly mode: number }) =>
    mode === "exclusive" || theirs === EXCLUSIVE;
  const timed = (row: ClaimRow): QueuedClaim => ({ ...row, expires: expiresOf(statements, row) });
  const base = subtreeBase(resource);
  const hasSubtrees = head.has_subtrees === 1;
  if (base !== null) {
    return [oneOfEach(claimsOver(statements, resource, hasSubtrees).filter(conflicts)).map(timed)];
  }
  const queue = queueOf(statements, head, resource);
  const exact = mode === "exclusive" ? queue : queue.filter(conflicts);
  if (!hasSubtrees) return [exact];
  return [exact, oneOfEach(subtreesOver(statements, resource).filter(conflicts)).map(timed)];
}

/** The claims on a resource itself, in the order of their tokens. */
function queueOf(statements: Statements, { queues }: Head, resource: string): readonly QueuedClaim[] {
  const kept = queues.get(resource);
  if (kept !== undefined) return kept;
  const read = statements.claimsOn
    .all(resource)
    .map((row) => ({ ...row, expires: expiresOf(statements, row) }));
  queues.keep(resource, read);
  return read;
}

function expiresOf(statements: Statements, { key }: ClaimRow): number {
  const expires = statements.expiresOf.get(key);
  // A claim points to a lease that is not there.
  if (expires === undefined) throw unreadable(`lease ${idText(key)}`);
  return expires;
}

/** All claims on a resource, on a subtree that contains it, and, if it is a subtree itself, on what is in it. */
function claimsOver(statements: Statements, resource: string, hasSubtrees: boolean): ClaimRow[] {
  const base = subtreeBase(resource);
  if (base === "") return statements.allClaims.all();
  const exact = statements.claimsOn.all(base ?? resource);
  const inside = base === null ? [] : within(statements, base);
  return [...exact, ...inside, ...(hasSubtrees ? subtreesOver(statements, resource) : [])];
}

/** The claims on subtrees that contain a resource, or that are it. */
function subtreesOver(statements: Statements, resource: string): ClaimRow[] {
  const bases = coveringSubtrees(resource).map((subtree) => subtreeBase(subtree) as string);
  const base = subtreeBase(resource);
  return statements.subtreesOn(base === null ? bases : [...bases, base]);
}

/** The claims on what is in a subtree, but for its base and itself. */
function within(statements: Statements, base: string): ClaimRow[] {
  if (base === "") return statements.allClaims.all();
  // "0" is the character after "/": between the two is all that begins with `base/`.
  const below = (kind: number) => statements.claimsBetween.all(kind, `${base}/`, `${base}0`);
  return [...below(KIND.claim), ...below(KIND.subtree)];
}

function oneOfEach<R extends { readonly token: number }>(rows: R[]): R[] {
  if (rows.length < 2) return rows;
  const byToken = new Map(rows.map((row) => [row.token, row]));
  return [...byToken.values()].sort((a, b) => a.token - b.token);
}
