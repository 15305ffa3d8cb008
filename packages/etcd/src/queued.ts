/** A queued request asks again: whether its turn has come, to stay queued, or for the last time. */
import type { AcquireRequest } from "@lease/core/backend";
import type { ITxnRequest, ITxnResponse } from "etcd3";
import { checkSame, isSame, onExisting, onPromoted, refuse, type Tried } from "./answers.js";
import { blockersIn, readBlockers } from "./blockers.js";
import { AGAIN, giveUp, sendOn } from "./carriers.js";
import { type Context, type QueuedRequest, seconds } from "./context.js";
import { endLease } from "./end.js";
import type { BlockerKey } from "./keys.js";
import { isNotCreatedAt, isWrittenAt, nested } from "./ops.js";
import type { FoundLease, StoredLease } from "./record.js";
import { isKnown, queuedOf, readSnapshot } from "./snapshot.js";
import { grantOf, movedTo } from "./writing.js";

/** More blockers than this are not compared in one transaction. */
const MAX_COMPARED = 60;

export async function acquireQueued(
  context: Context,
  request: AcquireRequest,
  queued: QueuedRequest,
): Promise<Tried> {
  const { cache } = context;
  let { lease } = queued;
  let memoryLease: string | undefined;
  let blockers = [...queued.blockers.values()];
  // When all its blockers have ended, nothing needs to be read.
  if (blockers.length > 0 || !isSame(request, lease)) {
    const snapshot = await readSnapshot(context, request.id, request.claims);
    if (!isKnown(snapshot)) {
      // Released or cancelled elsewhere: an id that is forgotten can be asked for anew.
      cache.forget(request.id);
      return AGAIN;
    }
    if (snapshot.lease?.state !== "pending") return onExisting(context, request, snapshot);
    checkSame(request, snapshot.lease);
    lease = snapshot.lease;
    blockers = snapshot.blockers;
    memoryLease = snapshot.memory?.etcdLease;
    cache.onQueued(queuedOf(lease, snapshot));
  }
  if (blockers.length === 0) return promote(context, lease);
  if (request.wait === "no") return leave(context, request, lease, blockers);
  return heartbeat(context, request, lease, blockers, memoryLease);
}

/** Grants a queued request. No later one can come before it, so only its own record is compared. */
async function promote(context: Context, lease: FoundLease): Promise<Tried> {
  const { keys, cache, leases } = context;
  const active = await leases.take(seconds(lease.ttlMs));
  const granted = grantOf(lease, active);
  const answer = await sendOn(context, active, () => leases.give(active), {
    compare: [isWrittenAt(keys.record(lease.id), lease.revision)],
    success: movedTo(keys, granted, active),
  });
  if (answer !== AGAIN && answer.succeeded) return onPromoted(context, lease, granted, active);
  if (answer !== AGAIN) {
    leases.give(active);
    cache.forget(lease.id);
  }
  return AGAIN;
}

/** Stays queued for another `waitTtlMs`. */
async function heartbeat(
  context: Context,
  request: AcquireRequest,
  lease: FoundLease,
  blockers: readonly BlockerKey[],
  memoryLease: string | undefined,
): Promise<Tried> {
  const { leases, cache } = context;
  const termS = seconds(request.waitTtlMs);
  const waiting = cache.etcdLease(lease.etcdLease);
  if (lease.termS !== termS && waiting?.askedS !== termS) return stayFor(context, request, lease, blockers);
  if ((await leases.keepAlive(waiting ?? { id: lease.etcdLease })) <= 0) {
    cache.forget(lease.id);
    return AGAIN;
  }
  if (memoryLease !== undefined) await leases.keepMemory(memoryLease);
  return refuse(context, request, blockers, null, { ...lease, leftMs: lease.termS * 1000 });
}

/** The same for another `waitTtlMs` than before: on another etcd lease. */
async function stayFor(
  context: Context,
  request: AcquireRequest,
  lease: FoundLease,
  blockers: readonly BlockerKey[],
): Promise<Tried> {
  const { keys, leases, cache } = context;
  const moved = await leases.take(seconds(request.waitTtlMs));
  const { termS } = moved;
  const record: StoredLease = { ...lease, termS, wall: Date.now(), leftMs: termS * 1000, event: null };
  const answer = await sendOn(context, moved, () => leases.give(moved), {
    compare: [isWrittenAt(keys.record(lease.id), lease.revision)],
    success: movedTo(keys, record, moved),
  });
  if (answer === AGAIN || !answer.succeeded) {
    if (answer !== AGAIN) leases.give(moved);
    cache.forget(lease.id);
    return AGAIN;
  }
  giveUp(context, lease.etcdLease);
  const revision = Number(answer.header.revision);
  const found: FoundLease = { ...record, token: lease.token, revision, etcdLease: moved.id };
  cache.use(moved);
  cache.onQueued({ lease: found, blockers: new Map(blockers.map((one) => [one.id, one])), revision });
  return refuse(context, request, blockers, null, found);
}

/** The last question of a waiter: it is granted, or leaves the queue, in one step. */
async function leave(
  context: Context,
  request: AcquireRequest,
  lease: FoundLease,
  blockers: readonly BlockerKey[],
): Promise<Tried> {
  const { keys, cache, leases } = context;
  const active = await leases.take(seconds(lease.ttlMs));
  const granted = grantOf(lease, active);
  const unchanged = isWrittenAt(keys.record(lease.id), lease.revision);
  const canCompare = blockers.length <= MAX_COMPARED;
  const reads = readBlockers(keys, lease.claims);
  const cancelled = endLease(keys, lease, { end: "cancelled", isRemembered: false });
  const cancel: ITxnRequest = { compare: [unchanged], success: [...reads, ...cancelled.success] };
  const txn: ITxnRequest = canCompare
    ? {
        compare: [unchanged, ...blockers.map(({ id, token }) => isNotCreatedAt(keys.record(id), token))],
        success: movedTo(keys, granted, active),
        failure: [nested(cancel)],
      }
    : cancel;
  const answer = await sendOn(context, active, () => leases.give(active), txn);
  if (answer === AGAIN) return AGAIN;
  if (canCompare && answer.succeeded) return onPromoted(context, lease, granted, active);
  leases.give(active);
  const memory = cache.memory(lease.id);
  cache.forget(lease.id);
  const inner = canCompare ? (answer.responses[0]?.response_txn as ITxnResponse) : answer;
  if (!inner.succeeded) return AGAIN;
  giveUp(context, lease.etcdLease);
  if (memory !== undefined) leases.forget(memory);
  const found = blockersIn(keys, inner.responses.slice(0, reads.length), lease);
  return refuse(context, request, found.length > 0 ? found : blockers, Number(answer.header.revision), null);
}
