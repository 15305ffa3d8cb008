/** A request that stands in line asks again: whether its turn has come, or to keep its place, or for the last time. */
import type { AcquireRequest } from "@lease/core/backend";
import type { ITxnRequest, ITxnResponse } from "etcd3";
import { checkSame, isSame, onExisting, onPromoted, refuse, type Tried } from "./answers.js";
import { blockersIn, readBlockers } from "./blockers.js";
import { type Context, type Place, seconds } from "./context.js";
import { endLease } from "./end.js";
import type { BlockerKey } from "./keys.js";
import { AGAIN, giveUp, sendOn } from "./lines.js";
import { isKnown, lookAt, placeOf } from "./look.js";
import { isNotCreatedAt, isWrittenAt, nested } from "./ops.js";
import type { FoundLease, StoredLease } from "./record.js";
import { grantOf, movedTo } from "./writing.js";

/** More blockers than this are not compared in one transaction. */
const MAX_COMPARED = 60;

export async function askAgain(context: Context, request: AcquireRequest, place: Place): Promise<Tried> {
  const { known } = context;
  let { lease } = place;
  let memoryLease: string | undefined;
  let blockers = [...place.blockers.values()];
  // When all that stood before it has ended, it need not look again.
  if (blockers.length > 0 || !isSame(request, lease)) {
    const look = await lookAt(context, request.id, request.claims);
    if (!isKnown(look)) {
      // Released or cancelled elsewhere: an id that is forgotten can be asked for anew.
      known.forget(request.id);
      return AGAIN;
    }
    if (look.lease?.state !== "pending") return onExisting(context, request, look);
    checkSame(request, look.lease);
    lease = look.lease;
    blockers = look.blockers;
    memoryLease = look.memory?.etcdLease;
    known.onPlaced(placeOf(lease, look));
  }
  if (blockers.length === 0) return promote(context, lease);
  if (request.wait === "no") return leave(context, request, lease, blockers);
  return heartbeat(context, request, lease, blockers, memoryLease);
}

/** Turns a request in line into a grant. Nobody can come before it, so that it has not changed is all to compare. */
async function promote(context: Context, lease: FoundLease): Promise<Tried> {
  const { keys, known, leases } = context;
  const active = await leases.take(seconds(lease.ttlMs));
  const granted = grantOf(lease, active);
  const answer = await sendOn(context, active, () => leases.give(active), {
    compare: [isWrittenAt(keys.record(lease.id), lease.revision)],
    success: movedTo(keys, granted, active),
  });
  if (answer !== AGAIN && answer.succeeded) return onPromoted(context, lease, granted, active);
  if (answer !== AGAIN) {
    leases.give(active);
    known.forget(lease.id);
  }
  return AGAIN;
}

/** Stays in line for another `waitTtlMs`. */
async function heartbeat(
  context: Context,
  request: AcquireRequest,
  lease: FoundLease,
  blockers: readonly BlockerKey[],
  memoryLease: string | undefined,
): Promise<Tried> {
  const { leases, known } = context;
  const termS = seconds(request.waitTtlMs);
  const waiting = known.etcdLease(lease.etcdLease);
  if (lease.termS !== termS && waiting?.askedS !== termS) return stayFor(context, request, lease, blockers);
  if ((await leases.keepAlive(waiting ?? { id: lease.etcdLease })) <= 0) {
    known.forget(lease.id);
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
  const { keys, leases, known } = context;
  const moved = await leases.take(seconds(request.waitTtlMs));
  const { termS } = moved;
  const record: StoredLease = { ...lease, termS, wall: Date.now(), leftMs: termS * 1000, told: null };
  const answer = await sendOn(context, moved, () => leases.give(moved), {
    compare: [isWrittenAt(keys.record(lease.id), lease.revision)],
    success: movedTo(keys, record, moved),
  });
  if (answer === AGAIN || !answer.succeeded) {
    if (answer !== AGAIN) leases.give(moved);
    known.forget(lease.id);
    return AGAIN;
  }
  giveUp(context, lease.etcdLease);
  const revision = Number(answer.header.revision);
  const found: FoundLease = { ...record, token: lease.token, revision, etcdLease: moved.id };
  known.use(moved);
  known.onPlaced({ lease: found, blockers: new Map(blockers.map((one) => [one.id, one])), revision });
  return refuse(context, request, blockers, null, found);
}

/** The last question of a waiter: it is granted, or out of the line, in one step. */
async function leave(
  context: Context,
  request: AcquireRequest,
  lease: FoundLease,
  blockers: readonly BlockerKey[],
): Promise<Tried> {
  const { keys, known, leases } = context;
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
  const memory = known.memory(lease.id);
  known.forget(lease.id);
  const inner = canCompare ? (answer.responses[0]?.response_txn as ITxnResponse) : answer;
  if (!inner.succeeded) return AGAIN;
  giveUp(context, lease.etcdLease);
  if (memory !== undefined) leases.forget(memory);
  const found = blockersIn(keys, inner.responses.slice(0, reads.length), lease);
  return refuse(context, request, found.length > 0 ? found : blockers, Number(answer.header.revision), null);
}
