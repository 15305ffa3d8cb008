/** Live leases: every record that stands, for etcd deletes those whose time is over. */
import {
  DEFAULT_PAGE,
  type Lease,
  type LeasePage,
  type LeaseQuery,
  leaseOf,
  MAX_PAGE,
  matchesFilters,
} from "@lease/core";
import type { IKeyValue } from "etcd3";
import type { Context } from "./context.js";
import { get } from "./ops.js";
import { decodeLease, type FoundLease, recordOf } from "./record.js";
import { graceLeftMs, holderLeftMs } from "./time.js";

/** Reads that fit in a transaction. */
const READS = 120;

export async function list(context: Context, query: LeaseQuery): Promise<LeasePage> {
  const limit = query.limit ?? DEFAULT_PAGE;
  const found: FoundLease[] = [];
  let after = Number(query.after ?? 0);
  for (let more = true; more && found.length <= limit; ) {
    const page = await (query.ids === undefined
      ? readAfter(context, after)
      : readIds(context, query.ids, after));
    more = page.more;
    for (const lease of page.leases) {
      after = lease.token;
      if (query.state !== undefined && query.state !== lease.state) continue;
      if (matchesFilters(lease, query)) found.push(lease);
    }
  }
  const page = found.slice(0, limit);
  const shown = await Promise.all(page.map((lease) => show(context, lease)));
  const next = found.length > limit ? String(page.at(-1)?.token) : null;
  return { leases: shown.filter((lease) => lease !== null), next };
}

async function show(context: Context, lease: FoundLease): Promise<Lease | null> {
  const [leftMs, graceInMs] = await Promise.all([holderLeftMs(context, lease), graceLeftMs(context, lease)]);
  if (leftMs === null) return null;
  return leaseOf(recordOf(lease, Math.max(1, leftMs), graceInMs), { now: 0, wallNow: Date.now() });
}

interface Page {
  readonly leases: readonly FoundLease[];
  readonly more: boolean;
}

/** The next leases by token. */
async function readAfter({ connection, keys }: Context, token: number): Promise<Page> {
  const { kvs, more } = await connection.range({
    ...keys.records,
    min_create_revision: token + 1,
    sort_target: "Create",
    sort_order: "Ascend",
    limit: MAX_PAGE,
  });
  return { leases: kvs.map((kv) => decodeRecord(kv)), more };
}

async function readIds({ connection, keys }: Context, ids: readonly string[], after: number): Promise<Page> {
  const unique = [...new Set(ids)];
  const parts: string[][] = [];
  for (let start = 0; start < unique.length; start += READS) parts.push(unique.slice(start, start + READS));
  const answers = await Promise.all(
    parts.map((part) => connection.read({ success: part.map((id) => get(keys.record(id))) })),
  );
  const leases = answers
    .flatMap(({ responses }) => responses.flatMap(({ response_range }) => response_range.kvs))
    .map((kv) => decodeRecord(kv))
    .filter(({ token }) => token > after)
    .sort((a, b) => a.token - b.token);
  return { leases, more: false };
}

const ID_LENGTH = 36;

function decodeRecord(kv: IKeyValue): FoundLease {
  return decodeLease(kv, kv.key.subarray(-ID_LENGTH).toString("ascii"));
}
