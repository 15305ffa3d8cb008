/**
 * Where the next page of a listing begins, and the one place in the history that all its pages bear.
 *
 * The cursor of the first page travels in `next`. Were it read again for each page, what ended between two pages would be
 * in the first of them, before the cursor of the second, and so never reported.
 */
import { MAX } from "../model/max.js";
import type { Lease } from "../model/model.js";
import { DEFAULT_PAGE, type LeaseBackend, type LeasePage, type LeaseQuery } from "./backend.js";
import { type LeaseRecord, matchesFilters } from "./record.js";

/** Where a page begins. */
export interface PageStart {
  /** It shows leases with greater tokens than this. */
  readonly token: number;
  /** The cursor of its listing; `null` for a first page, whose store looks where its history stands. */
  readonly cursor: string | null;
}

/** What `LeaseQuery.after` says. It was checked before. */
export function pageStart({ after }: LeaseQuery): PageStart {
  if (after === undefined) return { token: 0, cursor: null };
  const mark = after.indexOf("~");
  return { token: Number(after.slice(0, mark)), cursor: after.slice(mark + 1) };
}

/**
 * `LeasePage.next`.
 *
 * @param found - by token; where there are more than the page holds, one more at least
 */
export function nextPage(
  found: readonly { readonly token: number }[],
  limit: number,
  cursor: string,
): string | null {
  return found.length > limit ? `${found[limit - 1]?.token}~${cursor}` : null;
}

/**
 * A page of leases that a store keeps in memory.
 *
 * @param live - the live ones, in any order
 * @param end - the cursor of the present end of the history
 */
export function pageOf<L extends LeaseRecord>(
  live: readonly L[],
  query: LeaseQuery,
  end: string,
  show: (lease: L) => Lease,
): LeasePage {
  const limit = query.limit ?? DEFAULT_PAGE;
  const start = pageStart(query);
  const cursor = start.cursor ?? end;
  const found = live
    .filter((lease) => lease.token > start.token)
    .filter((lease) => query.state === undefined || lease.state === query.state)
    .filter((lease) => matchesFilters(lease, query))
    .sort((a, b) => a.token - b.token);
  return { leases: found.slice(0, limit).map(show), cursor, next: nextPage(found, limit, cursor) };
}

/**
 * The present end of the history, as a cursor. Unlike `changes({ after: "end" })` it names the place before anything
 * happens, so that a follower that begins there can come back to it.
 */
export async function presentEnd(backend: LeaseBackend): Promise<string> {
  // The cheapest listing there is: of no lease at all.
  return (await backend.list({ ids: [] })).cursor;
}

/** All pages of a listing. */
export async function listAll(backend: Pick<LeaseBackend, "list">, query: LeaseQuery): Promise<Lease[]> {
  const leases: Lease[] = [];
  let after: string | undefined;
  do {
    const page = await backend.list({ ...query, limit: MAX.page, after });
    leases.push(...page.leases);
    after = page.next ?? undefined;
  } while (after !== undefined);
  return leases;
}
