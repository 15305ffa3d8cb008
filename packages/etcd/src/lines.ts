/** The etcd leases of a request: taken before a transaction puts keys on them, given back when nothing is on them. */
import { type AcquireRequest, LeaseError } from "@lease/core";
import type { ITxnResponse } from "etcd3";
import { type Context, seconds } from "./context.js";
import { isLeaseGone } from "./errors.js";
import { type EtcdLease, isFresh, type MemoryLease } from "./etcd-leases.js";

/** The etcd leases that a request may be put on. */
export interface Lines {
  readonly active: EtcdLease;
  readonly waiting: EtcdLease | null;
  readonly memory: MemoryLease;
}

/** Nothing was applied because of what others did in between: look again. */
export const AGAIN = Symbol("again");

export async function takeLines({ leases }: Context, request: AcquireRequest): Promise<Lines> {
  const termS = seconds(request.ttlMs);
  const waitS = seconds(request.waitTtlMs);
  const memoryS = Math.max(termS, waitS);
  return {
    active: await leases.take(termS),
    waiting: request.wait ? await leases.take(waitS) : null,
    memory: leases.memoryAtOnce(memoryS) ?? (await leases.memory(memoryS)),
  };
}

/** What a lease stood on before it was moved: this client may use it again, if it made it. */
export function giveUp({ leases, known }: Context, leaseId: string): void {
  const lease = known.unused(leaseId);
  if (lease !== undefined) leases.give(lease);
}

export function send(
  context: Context,
  request: AcquireRequest,
  { active, waiting }: Lines,
  write: () => Promise<ITxnResponse>,
): Promise<ITxnResponse | typeof AGAIN> {
  return sendOn(context, request, waiting === null ? [active] : [active, waiting], write);
}

/**
 * Sends a transaction that puts keys on the first of these etcd leases, and beside it a keep-alive, so that the lease
 * has its whole term. An etcd lease whose use is in doubt is never used again.
 */
export async function sendOn(
  context: Context,
  request: AcquireRequest,
  etcdLeases: readonly EtcdLease[],
  write: () => Promise<ITxnResponse>,
): Promise<ITxnResponse | typeof AGAIN> {
  const { leases, known } = context;
  const active = etcdLeases[0] as EtcdLease;
  const freshened = isFresh(active) ? null : leases.freshen(active);
  // It is awaited below, unless the transaction fails first.
  freshened?.catch(() => {});
  let answer: ITxnResponse;
  try {
    answer = await write();
  } catch (error) {
    const { code, cause } = error as { code?: string; cause?: unknown };
    if (isLeaseGone(cause ?? error)) return AGAIN;
    if (code === "OUTCOME_UNKNOWN" || code === "CLOSED") known.onAmbiguous(request.id);
    else for (const lease of etcdLeases) leases.give(lease);
    throw error;
  }
  if (freshened === null || !answer.succeeded) return answer;
  try {
    if (await freshened) return answer;
  } catch {
    // Granted, but for how long is not known. Asked again with this id, etcd tells.
  }
  known.onAmbiguous(request.id);
  throw new LeaseError(
    "OUTCOME_UNKNOWN",
    "etcd did not confirm how long this lease lives: ask again with the same id.",
  );
}
