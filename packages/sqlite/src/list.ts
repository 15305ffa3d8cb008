/** Live leases by token, a page at a time; each filter that has an index is looked up by it. */
import {
  DEFAULT_PAGE,
  type LeasePage,
  type LeaseQuery,
  leaseOf,
  type Moment,
  matchesFilters,
} from "@lease/core";
import { decode, type LeaseRow, type StoredLease, stateNumber } from "./codec.js";
import { overlappingTokens } from "./conflicts.js";
import type { Statements } from "./statements.js";

export function listLeases(statements: Statements, query: LeaseQuery, at: Moment): LeasePage {
  const limit = query.limit ?? DEFAULT_PAGE;
  const state = query.state && stateNumber(query.state);
  const found: StoredLease[] = [];
  for (const row of candidates(statements, query, at.now, limit + 1)) {
    if (at.now >= row.expires || (state !== undefined && state !== row.state)) continue;
    const lease = decode(row);
    if (!matchesFilters(lease, query)) continue;
    found.push(lease);
    if (found.length > limit) break;
  }
  const page = found.slice(0, limit);
  const next = found.length > limit ? String(page.at(-1)?.token) : null;
  return { leases: page.map((lease) => leaseOf(lease, at)), next };
}

/** Leases after the cursor in order of their tokens: all that can match, and some that do not. */
function* candidates(
  statements: Statements,
  query: LeaseQuery,
  now: number,
  chunk: number,
): Generator<LeaseRow> {
  const after = Number(query.after ?? 0);
  const tokens = indexedTokens(statements, query);
  if (tokens !== undefined) {
    for (const token of tokens) {
      const row = token > after ? statements.lease.get(token) : undefined;
      if (row !== undefined) yield row;
    }
    return;
  }
  let position = after;
  for (;;) {
    const rows =
      query.agentId === undefined
        ? statements.leasesAfter.all(position, now, chunk)
        : statements.leasesOfAgentAfter.all(query.agentId, position, chunk);
    yield* rows;
    if (rows.length < chunk) return;
    position = rows.at(-1)?.token ?? position;
  }
}

/** For filters that name few leases: all of them. */
function indexedTokens(statements: Statements, { ids, resource }: LeaseQuery): number[] | undefined {
  if (ids !== undefined) {
    const tokens = ids.map((id) => statements.tokenOfId.get(id)).filter((token) => token !== undefined);
    return [...new Set(tokens)].sort((a, b) => a - b);
  }
  return resource === undefined ? undefined : overlappingTokens(statements, resource);
}
