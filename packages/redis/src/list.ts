/** Pages of live leases. */
import {
  DEFAULT_PAGE,
  formatCursor,
  type LeasePage,
  type LeaseQuery,
  type LeaseRecord,
  leaseOf,
  matchesFilters,
  nextPage,
  pageStart,
} from "@lease/core";
import { decodeWithId, digits, numberAt } from "./codec.js";
import { type Connection, script } from "./connection.js";
import { NOTHING_YET } from "./history.js";
import { LIST_SCRIPT } from "./scripts/read.js";

const LIST = script(LIST_SCRIPT);

const STATES = Object.freeze({ pending: "P", active: "A" });

/**
 * Asks by the narrowest filter and applies the others here, so a page can take several questions; a single one where
 * one filter is given.
 */
export async function listLeases(connection: Connection, query: LeaseQuery): Promise<LeasePage> {
  const limit = query.limit ?? DEFAULT_PAGE;
  const state = query.state === undefined ? "-" : STATES[query.state];
  const by = narrowest(query);
  const found: { readonly record: LeaseRecord; readonly now: number }[] = [];
  // One more than asked for tells whether there is a next page.
  const wanted = limit + 1;
  let { token: after, cursor } = pageStart(query);
  for (;;) {
    const [standing, ...records] = (await connection.run(LIST, [
      by.kind,
      digits(after, 16),
      wanted,
      state,
      ...by.args,
    ])) as [Buffer, ...Buffer[]];
    const now = numberAt(standing, 0, 14);
    // Of the first answer: what the others show may be newer.
    cursor ??= cursorAt(standing);
    for (const record of records.map(decodeWithId)) {
      after = record.token;
      if (matchesFilters(record, query)) found.push({ record, now });
      if (found.length === wanted) break;
    }
    if (found.length === wanted || records.length < wanted) break;
  }
  const page = found.slice(0, limit).map(({ record, now }) => leaseOf(record, { now, wallNow: now }));
  const records = found.map(({ record }) => record);
  return { leases: page, cursor, next: nextPage(records, limit, cursor) };
}

/** Where the history stood, out of the first part of an answer. */
function cursorAt(standing: Buffer): string {
  return standing.length === 14
    ? NOTHING_YET
    : formatCursor(String(numberAt(standing, 14, 16)), numberAt(standing, 30, 16));
}

function narrowest({ ids, agentId, resource }: LeaseQuery): { kind: string; args: readonly string[] } {
  if (ids !== undefined) return { kind: "ids", args: ids };
  if (agentId !== undefined) return { kind: "agent", args: [agentId] };
  if (resource !== undefined) return { kind: "resource", args: [resource] };
  return { kind: "all", args: [] };
}
