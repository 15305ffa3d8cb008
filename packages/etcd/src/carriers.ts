/** The etcd leases that carry a request: taken before a transaction puts keys on them, given back when none are. */
import { LeaseError } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";
import type { ITxnRequest, ITxnResponse } from "etcd3";
import { type Context, seconds } from "./context.js";
import { isLeaseGone } from "./errors.js";
import { type EtcdLease, isFresh, type MemoryLease } from "./etcd-leases.js";

/** The etcd leases that the keys of a request may be put on. */
export interface Carriers {
  readonly active: EtcdLease;
  /** While it is queued: the same one where both terms are the same, for it is either granted or queued. */
  readonly waiting: EtcdLease | null;
  readonly memory: MemoryLease;
}

/** Nothing was applied because of what other calls did in between: read again. */
export const AGAIN = Symbol("again");

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
    // Granted, but for how long is not known. An acquire with the same id finds out.
  }
  throw new LeaseError(
    "OUTCOME_UNKNOWN",
    "etcd did not confirm how long this lease lives: ask again with the same id.",
  );
}
