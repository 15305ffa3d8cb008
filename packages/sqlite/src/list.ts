/** Live leases by token, a page at a time. Looked up by key where a filter allows it; only a list of all scans. */
import {
  DEFAULT_PAGE,
  formatCursor,
  type LeasePage,
  type LeaseQuery,
  leaseOf,
  matchesFilters,
  nextPage,
  pageStart,
} from "@lease/core/backend";
import { decode, idKey, type LeaseRow, type StoredLease, stateNumber } from "./codec.js";
import { overlapping } from "./conflicts.js";
import type { SqliteLedger } from "./ledger.js";

export function listLeases(ledger: SqliteLedger, query: LeaseQuery): LeasePage {
  const { at, head } = ledger;
  const start = pageStart(query);
  // Of the same snapshot as the leases.
  const cursor = start.cursor ?? formatCursor(head.epoch, head.last);
  const limit = query.limit ?? DEFAULT_PAGE;
  const found: StoredLease[] = [];
  for (const row of candidates(ledger, query, start.token, limit + 1)) {
    if (at.now >= row.expires || (query.state !== undefined && stateNumber(query.state) !== row.state))
      continue;
    const lease = decode(row);
    if (matchesFilters(lease, query)) found.push(lease);
    if (found.length > limit) break;
  }
  const leases = found.slice(0, limit).map((lease) => leaseOf(lease, ledger.holdsMs(lease), at));
  return { leases, cursor, next: nextPage(found, limit, cursor) };
}

/** Whether a list of an agent's leases scanned so many that an index should be made for the next. */
export function wantsAgentIndex({ statements, head }: SqliteLedger, query: LeaseQuery): boolean {
  const { ids, resource = "**", agentId } = query;
  if (agentId === undefined || ids !== undefined || resource !== "**" || head.has_agents === 1) return false;
  return statements.hasMoreThan.get(SCANNED_WITHOUT_INDEX) === 1;
}

/** A scan of as many takes about as long as two steps on the disk. */
const SCANNED_WITHOUT_INDEX = 500;

/** Leases after a token in order of their tokens: all that can match, and some that do not. */
function* candidates(
  { at, statements }: SqliteLedger,
  { ids, resource = "**", agentId, state }: LeaseQuery,
  after: number,
  chunk: number,
): Generator<LeaseRow> {
  // Everything lies below `**`: other filters say more.
  if (ids !== undefined || resource !== "**") {
    const keys = ids?.map(idKey) ?? overlapping(statements, resource).map(({ key }) => key);
    const rows = [...new Set(keys)].flatMap((key) => statements.lease.get(key) ?? []);
    yield* rows.filter(({ token }) => token > after).sort((a, b) => a.token - b.token);
    return;
  }
  for (let position = after; ; ) {
    let rows: LeaseRow[];
    if (agentId !== undefined) rows = statements.ofAgent.all(agentId, position, chunk);
    else if (state === "pending") rows = statements.queuedAfter.all(position, chunk);
    else rows = statements.leasesAfter.all(position, at.now, chunk);
    yield* rows;
    if (rows.length < chunk) return;
    position = rows.at(-1)?.token as number;
  }
}
