/** Live leases: every record that there is, for etcd deletes those whose time is over. */
import { type Lease, MAX } from "@lease/core";
import {
  DEFAULT_PAGE,
  formatCursor,
  type LeasePage,
  type LeaseQuery,
  matchesFilters,
  nextPage,
  pageStart,
} from "@lease/core/backend";
import type { IKeyValue, ITxnResponse } from "etcd3";
import { epochOf, readBounds } from "./changes.js";
import type { Context } from "./context.js";
import type { FoundLease } from "./model.js";
import { decodeLease, shown } from "./record.js";
import { graceLeftMs, holderLeftMs } from "./snapshot.js";
import { get } from "./txn.js";

/** Reads that fit in a transaction. */
const READS = 120;

export async function list(context: Context, query: LeaseQuery): Promise<LeasePage> {
  const limit = query.limit ?? DEFAULT_PAGE;
  const found: FoundLease[] = [];
  let { token: after, cursor } = pageStart(query);
  let more = true;
  do {
    const page = await (query.ids === undefined
      ? readAfter(context, after)
      : readIds(context, query.ids, after));
    more = page.more;
    // Of the first answer: what the others show may be newer.
    cursor ??= await cursorOf(context, page.answers);
    for (const lease of page.leases) {
      after = lease.token;
      if (query.state !== undefined && query.state !== lease.state) continue;
      if (matchesFilters(lease, query)) found.push(lease);
    }
  } while (more && found.length <= limit);
  const page = found.slice(0, limit);
  const leases = await Promise.all(page.map((lease) => show(context, lease)));
  return {
    leases: leases.filter((lease) => lease !== null),
    cursor,
    next: nextPage(found, limit, cursor),
  };
}

async function show(context: Context, lease: FoundLease): Promise<Lease | null> {
  const [leftMs, graceInMs] = await Promise.all([holderLeftMs(context, lease), graceLeftMs(context, lease)]);
  if (leftMs === null) return null;
  return shown(lease, Math.max(1, leftMs), graceInMs);
}

interface Page {
  readonly leases: readonly FoundLease[];
  readonly more: boolean;
  /** What it was read by; each with what names the history first. */
  readonly answers: readonly ITxnResponse[];
}

/** Where the history stood at the earliest of these answers. */
async function cursorOf(context: Context, answers: readonly ITxnResponse[]): Promise<string> {
  const [first] = answers as [ITxnResponse, ...ITxnResponse[]];
  const revision = Math.min(...answers.map(({ header }) => Number(header.revision)));
  const name = first.responses[0]?.response_range.kvs[0]?.value.toString("utf8");
  const epoch = name === undefined ? (await readBounds(context)).epoch : epochOf(name, first.header);
  return formatCursor(epoch, revision);
}

/** The next leases by token. */
async function readAfter({ connection, keys }: Context, token: number): Promise<Page> {
  const next = {
    ...keys.records,
    min_create_revision: token + 1,
    sort_target: "Create",
    sort_order: "Ascend",
    limit: MAX.page,
  } as const;
  const answer = await connection.read({ success: [get(keys.meta), { request_range: next }] });
  const found = answer.responses[1]?.response_range;
  return {
    leases: (found?.kvs ?? []).map((kv) => decodeRecord(kv)),
    more: found?.more ?? false,
    answers: [answer],
  };
}

async function readIds({ connection, keys }: Context, ids: readonly string[], after: number): Promise<Page> {
  const unique = [...new Set(ids)];
  // One even for no id at all: it shows where the history ends.
  const parts = [unique.slice(0, READS)];
  for (let start = READS; start < unique.length; start += READS)
    parts.push(unique.slice(start, start + READS));
  const answers = await Promise.all(
    parts.map((part) =>
      connection.read({ success: [get(keys.meta), ...part.map((id) => get(keys.record(id)))] }),
    ),
  );
  const leases = answers
    .flatMap(({ responses: [, ...found] }) => found.flatMap(({ response_range }) => response_range.kvs))
    .map((kv) => decodeRecord(kv))
    .filter(({ token }) => token > after)
    .sort((a, b) => a.token - b.token);
  return { leases, more: false, answers };
}

const ID_LENGTH = 36;

function decodeRecord(kv: IKeyValue): FoundLease {
  return decodeLease(kv, kv.key.subarray(-ID_LENGTH).toString("ascii"));
}
