/**
 * What is put into etcd for a lease, and the etcd leases that carry it: taken before a transaction puts keys on them,
 * given back when none are.
 */
import { LeaseError } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";
import type { ICompare, IRequestOp, ITxnRequest, ITxnResponse } from "etcd3";
import { type Context, seconds } from "./context.js";
import { isLeaseGone } from "./errors.js";
import { type EtcdLease, isFresh, type MemoryLease } from "./etcd-leases.js";
import type { Keys } from "./keys.js";
import type { FoundLease, StoredLease } from "./model.js";
import { encodeLease, encodeMemory } from "./record.js";
import { isCreatedAt, isWrittenAt, move, put, remove } from "./txn.js";

/** Nothing was applied because of what other calls did in between: read again. */
export const AGAIN = Symbol("again");

/** The etcd leases that the keys of a request may be put on. */
export interface Carriers {
  readonly active: EtcdLease;
  /** While it is queued: the same one where both terms are the same, for it is either granted or queued. */
  readonly waiting: EtcdLease | null;
  readonly memory: MemoryLease;
}

export async function takeCarriers({ leases }: Context, request: AcquireRequest): Promise<Carriers> {
  const termS = seconds(request.ttlMs);
  const waitS = seconds(request.waitTtlMs);
  const active = await leases.take(termS);
  let waiting: EtcdLease | null = null;
  if (request.wait !== "no") waiting = waitS === termS ? active : await leases.take(waitS);
  return { active, waiting, memory: await leases.memory(Math.max(termS, waitS)) };
}

/** What of these etcd leases carries nothing goes back. */
export function giveBack({ leases }: Context, carriers: Carriers, used: EtcdLease | null): void {
  for (const lease of new Set([carriers.active, carriers.waiting])) {
    if (lease !== null && lease !== used) leases.give(lease);
  }
  if (used === null) leases.forget(carriers.memory);
}

/** What a lease stood on before it was moved: this client may use it again, if it made it. */
export function giveUp({ leases, cache }: Context, leaseId: string): void {
  const lease = cache.unused(leaseId);
  if (lease !== undefined) leases.give(lease);
}

/** A transaction that puts keys on etcd leases; `AGAIN` when one of them is gone, for then nothing was applied. */
export async function writeOn(
  { connection, leases }: Context,
  txn: ITxnRequest,
): Promise<ITxnResponse | typeof AGAIN> {
  try {
    return await connection.write(txn);
  } catch (error) {
    if (!isLeaseGone((error as { cause?: unknown }).cause)) throw error;
    leases.distrust();
    return AGAIN;
  }
}

/**
 * The same beside a keep-alive of the etcd lease that gets the keys, so that it has its whole term. An etcd lease whose
 * use is in doubt is never used again.
 *
 * @param giveBack - what goes back if surely nothing was applied
 */
export async function sendOn(
  context: Context,
  lease: EtcdLease,
  giveBack: () => void,
  txn: ITxnRequest,
): Promise<ITxnResponse | typeof AGAIN> {
  const freshened = isFresh(lease) ? null : context.leases.freshen(lease);
  // It is awaited below, unless the transaction fails first.
  freshened?.catch(() => {});
  let answer: ITxnResponse | typeof AGAIN;
  try {
    answer = await writeOn(context, txn);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code !== "OUTCOME_UNKNOWN" && code !== "CLOSED") giveBack();
    throw error;
  }
  if (answer === AGAIN || freshened === null || !answer.succeeded) return answer;
  try {
    if (await freshened) return answer;
  } catch {
    // Written, but for how long is not known. An acquire with the same id finds out.
  }
  throw new LeaseError(
    "OUTCOME_UNKNOWN",
    "etcd did not confirm how long this lease lives: ask again with the same id.",
  );
}

export function newLease(request: AcquireRequest, state: StoredLease["state"], on: Carriers): StoredLease {
  const wall = Date.now();
  const active = state === "active";
  const { termS } = active ? on.active : (on.waiting as EtcdLease);
  return {
    id: request.id,
    agentId: request.agentId,
    claims: request.claims,
    state,
    ttlMs: on.active.termS * 1000,
    requestedWall: wall,
    acquiredWall: active ? wall : null,
    renewals: 0,
    maxRenewals: request.maxRenewals,
    holding: request.holding,
    reason: request.reason,
    metadata: request.metadata,
    revoking: null,
    isBeside: !active,
    termS,
    memoryS: on.memory.termS,
    wall,
    leftMs: termS * 1000,
    event: active ? "acquired" : "queued",
  };
}

export function puts(keys: Keys, lease: StoredLease, on: EtcdLease, memory: MemoryLease): IRequestOp[] {
  return [
    put(keys.record(lease.id), encodeLease(lease), on.id),
    put(keys.memory(lease.id), encodeMemory({ agentId: lease.agentId }), memory.id),
    ...keys.claims(lease).map((key) => put(key, Buffer.from(lease.id), on.id)),
  ];
}

/**
 * Moves a lease to an etcd lease of this term, which it then has whole, and writes its record in the same step, unless
 * that was written since. The create revision, which is the token, stays. `AGAIN` also when it was written since.
 */
export async function moveOn(
  context: Context,
  lease: FoundLease,
  termS: number,
  change: Partial<StoredLease> & Pick<StoredLease, "event">,
  more: readonly IRequestOp[] = [],
): Promise<{ readonly moved: FoundLease; readonly on: EtcdLease } | typeof AGAIN> {
  const { keys, leases } = context;
  const on = await leases.take(termS);
  const key = keys.record(lease.id);
  const record = { ...lease, termS: on.termS, wall: Date.now(), leftMs: on.termS * 1000, ...change };
  const answer = await sendOn(context, on, () => leases.give(on), {
    compare: [isWrittenAt(key, lease.revision)],
    success: [
      put(key, encodeLease(record), on.id),
      ...keys.claims(lease).map((claim) => move(claim, on.id)),
      ...more,
    ],
  });
  if (answer === AGAIN) return AGAIN;
  if (!answer.succeeded) {
    leases.give(on);
    return AGAIN;
  }
  giveUp(context, lease.etcdLease);
  context.cache.use(on);
  return { moved: { ...record, revision: Number(answer.header.revision), etcdLease: on.id }, on };
}

export type Ending =
  /** An id that is not remembered (a plain release) is as if it had never been. */
  | { readonly end: "released" | "cancelled"; readonly isRemembered: boolean }
  | { readonly end: "revoked"; readonly by: string; readonly reason: string | null };

/** With a revision it ends only what was not written since. */
type Ended = Pick<FoundLease, "id" | "agentId" | "claims" | "isBeside" | "token"> & {
  readonly revision?: number;
};

interface EndTxn {
  readonly compare: ICompare[];
  readonly success: IRequestOp[];
}

/**
 * Deletes record and claims, and says when and how. With a revision it ends what was read at that revision; without one,
 * what this client itself granted.
 *
 * @param on - the etcd lease for what is remembered
 */
export function endLease(keys: Keys, lease: Ended, ending: Ending, on?: string): EndTxn {
  const { id, agentId } = lease;
  const key = keys.memory(id);
  const { end } = ending;
  const isRemembered = end === "revoked" || ending.isRemembered;
  const memory =
    end === "revoked" ? { agentId, end, by: ending.by, reason: ending.reason } : { agentId, end };
  return {
    compare: [isStill(keys, lease)],
    success: [
      ...keys.claims(lease).map(remove),
      isRemembered && on !== undefined ? put(key, encodeMemory(memory), on) : remove(key),
      remove(keys.record(id)),
      put(keys.end, Buffer.from(JSON.stringify({ at: Date.now() })), 0),
    ],
  };
}

/**
 * The same without a put, for an etcd that has no space left. The memory stays where it would have been written: the
 * id then counts as expired.
 */
export function endLeaseWithoutSpace(keys: Keys, lease: Ended, ending: Ending): EndTxn {
  const { id } = lease;
  const forgets = ending.end !== "revoked" && !ending.isRemembered;
  return {
    compare: [isStill(keys, lease)],
    success: [...keys.claims(lease), ...(forgets ? [keys.memory(id)] : []), keys.record(id)].map(remove),
  };
}

function isStill(keys: Keys, { id, token, revision }: Ended): ICompare {
  const key = keys.record(id);
  return revision === undefined ? isCreatedAt(key, token) : isWrittenAt(key, revision);
}
