/** The step that ends a lease. */
import type { ICompare, ITxnRequest } from "etcd3";
import type { Keys } from "./keys.js";
import { isCreatedAt, isWrittenAt, put, remove } from "./ops.js";
import { encodeMemory, type StoredLease } from "./record.js";

export type Ending =
  /** An id that is not remembered (a plain release) is as if it had never been. */
  | { readonly end: "released" | "cancelled"; readonly isRemembered: boolean }
  | { readonly end: "revoked"; readonly by: string; readonly reason: string | null };

/** With a revision it ends only what was not written since. */
type Ended = Pick<StoredLease, "id" | "agentId" | "claims" | "isBeside"> & {
  readonly token: number;
  readonly revision?: number;
};

/**
 * Deletes record and claims, and says when and how. With a revision it ends what was
 * read at that revision; without one, what this client itself granted.
 *
 * @param on - the etcd lease for what is remembered
 */
export function endLease(
  keys: Keys,
  lease: Ended,
  ending: Ending,
  on?: string,
): ITxnRequest & { readonly success: NonNullable<ITxnRequest["success"]> } {
  const { id, agentId } = lease;
  const memoryKey = keys.memory(id);
  const isRemembered = ending.end === "revoked" || ending.isRemembered;
  const memory =
    ending.end === "revoked"
      ? { agentId, end: ending.end, by: ending.by, reason: ending.reason }
      : { agentId, end: ending.end };
  return {
    compare: [isStill(keys, lease)],
    success: [
      ...keys.claims(lease).map(remove),
      isRemembered && on !== undefined ? put(memoryKey, encodeMemory(memory), on) : remove(memoryKey),
      remove(keys.record(id)),
      put(keys.end, Buffer.from(JSON.stringify({ at: Date.now() })), 0),
    ],
  };
}

/**
 * The same without a put, for an etcd that has no space left. The memory stays where it would have been written: the
 * id then counts as expired.
 */
export function endLeaseWithoutSpace(keys: Keys, lease: Ended, { end, ...ending }: Ending): ITxnRequest {
  const { id } = lease;
  const forgets = end !== "revoked" && "isRemembered" in ending && !ending.isRemembered;
  return {
    compare: [isStill(keys, lease)],
    success: [
      ...keys.claims(lease).map(remove),
      ...(forgets ? [remove(keys.memory(id))] : []),
      remove(keys.record(id)),
    ],
  };
}

function isStill(keys: Keys, { id, token, revision }: Ended): ICompare {
  const key = keys.record(id);
  return revision === undefined ? isCreatedAt(key, token) : isWrittenAt(key, revision);
}
