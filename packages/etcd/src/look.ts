/** Reading an id together with what stands in its way: one consistent picture. */
import type { Claim } from "@lease/core";
import { blockersIn, readBlockers } from "./blockers.js";
import type { Context, Place } from "./context.js";
import type { BlockerKey } from "./keys.js";
import { get } from "./ops.js";
import { decodeLease, decodeMemory, type FoundLease, type FoundMemory } from "./record.js";

/** What is known of an id, and what stands in its way. */
export interface Look {
  readonly lease: FoundLease | null;
  readonly memory: FoundMemory | null;
  readonly blockers: BlockerKey[];
  readonly revision: number;
}

export async function lookAt(context: Context, id: string, claims: readonly Claim[]): Promise<Look> {
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

export function isKnown({ lease, memory }: Pick<Look, "lease" | "memory">): boolean {
  return lease !== null || memory !== null;
}

export function placeOf(
  lease: FoundLease,
  { blockers, revision }: Pick<Look, "blockers" | "revision">,
): Place {
  return { lease, blockers: new Map(blockers.map((blocker) => [blocker.id, blocker])), revision };
}
