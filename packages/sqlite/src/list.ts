/** Live leases by token, a page at a time. Looked up by key where a filter allows it; only a list of all scans. */
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
} from "@lease/core/backend";
import { decode, idKey, type LeaseRow, type StoredLease, stateNumber } from "./codec.js";
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
    leases: page.map((lease) => leaseOf(lease, lease.expires - at.now, at)),
    cursor,
    next: nextPage(found, limit, cursor),
  };
}

/** Whether a list of an agent's leases scanned so many that an index should be made for the next. */
export function wantsAgentIndex(statements: Statements, head: Head, query: LeaseQuery): boolean {
  const { ids, resource = "**", agentId } = query;
  if (agentId === undefined || ids !== undefined || resource !== "**" || head.has_agents === 1) return false;
  return statements.hasMoreThan.get(SCANNED_WITHOUT_INDEX) === 1;
}

/** A scan of as many takes about as long as two steps on the disk. */
const SCANNED_WITHOUT_INDEX = 500;

/** Leases after the start in order of their tokens: all that can match, and some that do not. */
function* candidates(
  statements: Statements,
  query: LeaseQuery,
  start: PageStart,
  now: number,
  chunk: number,
): Generator<LeaseRow> {
  let position = start.token;
  const { ids, resource, agentId, state } = query;
  if (ids !== undefined) {
    const found = [...new Set(ids)].map((id) => statements.lease.get(idKey(id)));
    const rows = found.filter((row) => row !== undefined && row.token > position) as LeaseRow[];
    yield* rows.sort((a, b) => a.token - b.token);
    return;
  }
  // Everything lies below `**`: other filters say more.
  if (resource !== undefined && resource !== "**") {
    for (const { token, key } of overlappingHolders(statements, resource)) {
      const row = token > position ? statements.lease.get(key) : undefined;
      if (row !== undefined) yield row;
    }
    return;
  }
  for (;;) {
    const rows =
      agentId !== undefined
        ? statements.ofAgent.all(agentId, position, chunk)
        : state === "pending"
          ? statements.inLine.all(position, chunk)
          : statements.leasesAfter.all(position, now, chunk);
    yield* rows;
    if (rows.length < chunk) return;
    position = rows.at(-1)?.token as number;
  }
}
