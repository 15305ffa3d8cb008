/** Live leases by token, a page at a time. Filters that name few leases, or those in line, are looked up by key. */
import {
  DEFAULT_PAGE,
  formatCursor,
  type LeasePage,
  type LeaseQuery,
  leaseOf,
  type Moment,
  matchesFilters,
  nextPage,
  type PageStart,
  pageStart,
} from "@lease/core";
import { decode, type LeaseRow, type StoredLease, stateNumber } from "./codec.js";
import { overlappingHolders } from "./conflicts.js";
import { lastSequence } from "./history.js";
import type { Head, Statements } from "./statements.js";

export function listLeases(statements: Statements, head: Head, query: LeaseQuery, at: Moment): LeasePage {
  const start = pageStart(query);
  // Of the same snapshot as the leases.
  const cursor = start.cursor ?? formatCursor(head.epoch, lastSequence(head));
  const limit = query.limit ?? DEFAULT_PAGE;
  const state = query.state && stateNumber(query.state);
  const found: StoredLease[] = [];
  for (const row of candidates(statements, query, start, at.now, limit + 1)) {
    if (at.now >= row.expires || (state !== undefined && state !== row.state)) continue;
    const lease = decode(row);
    if (!matchesFilters(lease, query)) continue;
    found.push(lease);
    if (found.length > limit) break;
  }
  const page = found.slice(0, limit);
  return {
    leases: page.map((lease) => leaseOf(lease, at)),
    cursor,
    next: nextPage(found, limit, cursor),
  };
}

/** Leases after the start in order of their tokens: all that can match, and some that do not. */
function* candidates(
  statements: Statements,
  query: LeaseQuery,
  start: PageStart,
  now: number,
  chunk: number,
): Generator<LeaseRow> {
  let position = start.token;
  const named = leasesNamed(statements, query);
  if (named !== undefined) {
    yield* named.filter((row) => row.token > position).sort((a, b) => a.token - b.token);
    return;
  }
  for (;;) {
    const rows =
      query.state === "pending"
        ? inLine(statements, position, chunk)
        : scan(statements, query, now, position, chunk);
    yield* rows;
    if (rows.length < chunk) return;
    position = rows.at(-1)?.token as number;
  }
}

/** For filters that name few leases: all of them, in any order. */
function leasesNamed(statements: Statements, { ids, resource }: LeaseQuery): LeaseRow[] | undefined {
  if (ids !== undefined) return leasesOf(statements, [...new Set(ids)]);
  if (resource === undefined) return undefined;
  return leasesOf(
    statements,
    overlappingHolders(statements, resource).map(({ id }) => id),
  );
}

/** The next of the line. */
function inLine(statements: Statements, after: number, limit: number): LeaseRow[] {
  return leasesOf(
    statements,
    statements.placesAfter.all(after, limit).map((place) => place.body),
  );
}

function scan(
  statements: Statements,
  { state, agentId }: LeaseQuery,
  now: number,
  after: number,
  limit: number,
): LeaseRow[] {
  const number = state === undefined ? null : stateNumber(state);
  // As it stands in the body: this only leaves out most of the others.
  const agent = agentId === undefined ? null : JSON.stringify(agentId);
  return statements.leasesAfter.all(after, now, number, number, agent, agent, limit);
}

function leasesOf(statements: Statements, ids: readonly string[]): LeaseRow[] {
  return ids.map((id) => statements.lease.get(id)).filter((row) => row !== undefined);
}
