/** Pages of live leases, and what a sweep ends and prunes. */
import type { Lease } from "@lease/core";
import {
  DEFAULT_PAGE,
  DEFAULT_SWEEP_LIMIT,
  formatCursor,
  type LeasePage,
  type LeaseQuery,
  nextPage,
  pageStart,
  type SweepOptions,
  type SweepResult,
  subtreeBase,
} from "@lease/core/backend";
import { shown } from "./answers.js";
import { decodeRecord, type StoredRecord } from "./codec.js";
import type { Connection } from "./connection.js";
import { NOTHING_YET } from "./history.js";
import type { Settings } from "./options.js";

/** Entries that one step prunes, so that no other step waits long. */
const PRUNED_A_STEP = 1_000;

/** One statement is one snapshot: the cursor and the leases agree. */
export async function list(
  reads: Connection,
  { schema, namespace }: Settings,
  query: LeaseQuery,
): Promise<LeasePage> {
  const limit = query.limit ?? DEFAULT_PAGE;
  const start = pageStart(query);
  const { resource, state } = query;
  const answered = await reads.call(`SELECT ${schema}.list_v1($1, $2, $3, $4, $5, $6, $7, $8)`, [
    namespace,
    query.ids ?? null,
    query.agentId ?? null,
    resource === undefined ? null : (subtreeBase(resource) ?? resource),
    resource !== undefined && subtreeBase(resource) !== null,
    state === undefined ? null : state === "active",
    start.token,
    limit + 1,
  ]);
  if (answered === null) return { leases: [], cursor: start.cursor ?? NOTHING_YET, next: null };
  const [now, epoch, last, ...records] = JSON.parse(answered as string) as [
    number,
    string,
    number,
    ...StoredRecord[],
  ];
  const cursor = start.cursor ?? formatCursor(epoch, last);
  const found = records.map((record) => decodeRecord(record));
  return {
    leases: found.slice(0, limit).map((lease) => shown(lease, now)),
    cursor,
    next: nextPage(found, limit, cursor),
  };
}

export async function sweep(
  calls: Connection,
  { schema, namespace, endMemoryMs }: Settings,
  { limit = DEFAULT_SWEEP_LIMIT, historyRetentionMs }: SweepOptions,
): Promise<SweepResult> {
  const answered = await calls.call(`SELECT ${schema}.sweep_v1($1, $2, $3)`, [namespace, endMemoryMs, limit]);
  const [now, more, ...ended] = JSON.parse(answered as string) as [
    number,
    boolean,
    ...[Lease["state"], StoredRecord][],
  ];
  const expired: Lease[] = ended.map(([how, record]) => shown(decodeRecord(record, how), now));
  let pruned = 0;
  if (historyRetentionMs !== undefined && historyRetentionMs < Number.MAX_SAFE_INTEGER) {
    for (;;) {
      const count = await calls.call(`SELECT ${schema}.prune_v1($1, $2, $3)`, [
        namespace,
        Math.ceil(historyRetentionMs),
        PRUNED_A_STEP,
      ]);
      pruned += count as number;
      if ((count as number) < PRUNED_A_STEP) break;
    }
  }
  return { expired, pruned, more };
}
