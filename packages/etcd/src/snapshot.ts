/** An id and what is in its way, as of one revision. */
import type { Claim } from "@lease/core";
import { blockersIn, readBlockers } from "./blockers.js";
import type { Context, QueuedRequest } from "./context.js";
import type { BlockerKey } from "./keys.js";
import { get } from "./ops.js";
import { decodeLease, decodeMemory, type FoundLease, type FoundMemory } from "./record.js";

/** What etcd holds of an id and in its way at one revision. */
export interface Snapshot {
  readonly lease: FoundLease | null;
  readonly memory: FoundMemory | null;
  readonly blockers: BlockerKey[];
  readonly revision: number;
}

export async function readSnapshot(
  context: Context,
  id: string,
  claims: readonly Claim[],
): Promise<Snapshot> {
  const { connection, keys } = context;
  const { header, responses } = await connection.read({
    success: [get(keys.memory(id)), get(keys.record(id)), ...readBlockers(keys, claims)],
  });
  const [memory, record, ...found] = responses;
  const memoryKv = memory?.response_range.kvs[0];
  const recordKv = record?.response_range.kvs[0];
  const lease = recordKv === undefined ? null : decodeLease(recordKv, id);
  return {
    lease,
    memory: memoryKv === undefined ? null : decodeMemory(memoryKv),
    blockers: blockersIn(keys, found, lease ?? { id, claims }),
    revision: Number(header.revision),
  };
}

export function isKnown({ lease, memory }: Pick<Snapshot, "lease" | "memory">): boolean {
  return lease !== null || memory !== null;
}

export function queuedOf(
  lease: FoundLease,
  { blockers, revision }: Pick<Snapshot, "blockers" | "revision">,
): QueuedRequest {
  return { lease, blockers: new Map(blockers.map((blocker) => [blocker.id, blocker])), revision };
}
