/**
 * Asking for a lease. With nothing in the way it is one transaction, which compares that every range that could hold a
 * conflict is empty and puts record, claims and memory. If something is, the same transaction puts the request in
 * line and answers with what stands before it.
 */
import {
  type AcquireRequest,
  type AcquireResult,
  differentClaims,
  isLeaseError,
  type Lease,
  LeaseError,
  leaseOf,
  notOwner,
  sameClaims,
} from "@lease/core";
import type { ITxnRequest, ITxnResponse } from "etcd3";
import { type BlockerKey, blockersIn, describe, readBlockers } from "./blockers.js";
import { type Context, type Place, seconds } from "./context.js";
import { endLease } from "./end.js";
import type { EtcdLease } from "./etcd-leases.js";
import { AGAIN, giveUp, type Lines, send, sendOn, takeLines } from "./lines.js";
import { isKnown, type Look, lookAt, placeOf } from "./look.js";
import { isEmpty, isMissing, isNotCreatedAt, isOlderThan, isWrittenAt, nested } from "./ops.js";
import { type FoundLease, type FoundMemory, recordOf, type StoredLease } from "./record.js";
import { graceLeftMs, holderLeftMs } from "./time.js";
import { grantOf, movedTo, newLease, puts } from "./writing.js";

/** Somebody was faster this often: etcd works, but not for us. */
const MAX_TRIES = 30;
/** More blockers than this are not compared in one transaction. */
const MAX_COMPARED = 60;

type Tried = AcquireResult | typeof AGAIN;

export async function acquire(context: Context, request: AcquireRequest): Promise<AcquireResult> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const place = context.known.place(request.id);
    // A request whose turn has come is asked for without looking again.
    const tried = await (place === undefined ? enter(context, request) : askAgain(context, request, place));
    if (tried !== AGAIN) return tried;
  }
  throw new LeaseError(
    context.known.place(request.id) === undefined ? "BACKEND_UNAVAILABLE" : "OUTCOME_UNKNOWN",
    "Others claim around these resources so fast that this request does not get through: ask again, or with wait.",
  );
}

/** The first question of an id, as far as this client knows. */
async function enter(context: Context, request: AcquireRequest): Promise<Tried> {
  const { connection, keys } = context;
  const ranges = keys.conflicts(request.claims);
  if (ranges === null) return enterWide(context, request);
  const lines = await takeLines(context, request);
  const isNew = isMissing(keys.memory(request.id));
  const granted = newLease(request, "active", lines);
  const answer = await send(context, request, lines, () =>
    connection.write({
      compare: [isNew, ...ranges.map(isEmpty)],
      success: puts(keys, granted, lines.active, lines.memory),
      failure: lines.waiting === null ? [] : [nested(inLine(context, request, lines, lines.waiting))],
    }),
  );
  if (answer === AGAIN) return AGAIN;
  const revision = Number(answer.header.revision);
  if (answer.succeeded) return onGranted(context, request, lines, granted, revision);
  const isQueued = answer.responses[0]?.response_txn?.succeeded === true;
  return onRefused(context, request, lines, isQueued ? revision : null);
}

/**
 * The same for a request that could conflict in more ranges than a transaction takes: first a look at all claims, then
 * a transaction that holds only if nobody claimed anything since. A request that waits enters the line in any case.
 */
async function enterWide(context: Context, request: AcquireRequest): Promise<Tried> {
  const { connection, keys } = context;
  const look = await lookAt(context, request.id, request.claims);
  if (isKnown(look)) return onExisting(context, request, look);
  if (look.blockers.length > 0 && !request.wait)
    return refuse(context, request, look.blockers, look.revision, null);

  const lines = await takeLines(context, request);
  const isFree = look.blockers.length === 0;
  const granted = newLease(request, "active", lines);
  const unchanged = keys.trees.map((tree) => isOlderThan(tree, look.revision + 1));
  const answer = await send(context, request, lines, () =>
    connection.write(
      isFree
        ? {
            compare: [isMissing(keys.memory(request.id)), ...unchanged],
            success: puts(keys, granted, lines.active, lines.memory),
          }
        : inLine(context, request, lines, lines.waiting as EtcdLease),
    ),
  );
  if (answer === AGAIN) return AGAIN;
  const revision = Number(answer.header.revision);
  if (isFree && answer.succeeded) return onGranted(context, request, lines, granted, revision);
  return onRefused(context, request, lines, !isFree && answer.succeeded ? revision : null);
}

/** Puts a request in line, if its id is new. */
function inLine({ keys }: Context, request: AcquireRequest, lines: Lines, waiting: EtcdLease): ITxnRequest {
  return {
    compare: [isMissing(keys.memory(request.id))],
    success: puts(keys, newLease(request, "pending", lines), waiting, lines.memory),
  };
}

/**
 * Not granted: looks at why.
 *
 * @param token - of the place in line, if it got one
 */
async function onRefused(
  context: Context,
  request: AcquireRequest,
  lines: Lines,
  token: number | null,
): Promise<Tried> {
  const { leases, known } = context;
  const { active, waiting, memory } = lines;
  leases.give(active);
  if (waiting !== null) {
    if (token === null) leases.give(waiting);
    else known.use(waiting);
  }
  if (token !== null) {
    memory.keys += 1;
    // The etcd lease came from the pool: what it had left is not what was asked for.
    if (waiting !== null && !(await leases.freshen(waiting))) return AGAIN;
  }
  const look = await lookAt(context, request.id, request.claims).catch((error: unknown) => {
    throw token === null ? error : inLineUnseen(error);
  });
  if (token === null) {
    if (isKnown(look)) return onExisting(context, request, look);
    // What stood in the way is gone already.
    if (look.blockers.length === 0 || request.wait) return AGAIN;
    return refuse(context, request, look.blockers, look.revision, null);
  }
  if (look.lease?.token !== token || look.lease.state !== "pending") return AGAIN;
  known.onPlaced(placeOf(look.lease, look));
  if (look.blockers.length === 0) return AGAIN;
  return refuse(context, request, look.blockers, look.revision, look.lease).catch((error: unknown) => {
    throw inLineUnseen(error);
  });
}

/** It stands in line, but could not be told: whoever gives up on it must end it. */
function inLineUnseen(cause: unknown): unknown {
  if (!isLeaseError(cause, "BACKEND_UNAVAILABLE")) return cause;
  const message = "The request stands in line, but etcd did not say behind whom: ask again with the same id.";
  return new LeaseError("OUTCOME_UNKNOWN", message, undefined, { cause });
}

/** A request that stands in line asks whether it is its turn. */
async function askAgain(context: Context, request: AcquireRequest, place: Place): Promise<Tried> {
  const { known } = context;
  let { lease } = place;
  let memoryLease: string | undefined;
  let blockers = [...place.blockers.values()];
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
  if (blockers.length === 0) return promote(context, request, lease);
  if (!request.wait) return leave(context, request, lease, blockers);
  return heartbeat(context, request, lease, blockers, memoryLease);
}

/** Turns a request in line into a grant. Nobody can come before it, so that it has not changed is all to compare. */
async function promote(context: Context, request: AcquireRequest, lease: FoundLease): Promise<Tried> {
  const { connection, keys, known } = context;
  const active = await context.leases.take(seconds(lease.ttlMs));
  const granted = grantOf(lease, active);
  const answer = await sendOn(context, request, [active], () =>
    connection.write({
      compare: [isWrittenAt(keys.record(lease.id), lease.revision)],
      success: movedTo(keys, granted, active),
    }),
  );
  if (answer === AGAIN) return AGAIN;
  if (!answer.succeeded) {
    context.leases.give(active);
    known.forget(request.id);
    return AGAIN;
  }
  giveUp(context, lease.etcdLease);
  known.onGranted({ ...lease, etcdLease: active });
  return {
    status: "granted",
    lease: shown({ ...granted, token: lease.token }, granted.ttlMs),
    repeated: false,
  };
}

/** Stays in line for another `waitTtlMs`. */
async function heartbeat(
  context: Context,
  request: AcquireRequest,
  lease: FoundLease,
  blockers: readonly BlockerKey[],
  memoryLease: string | undefined,
): Promise<Tried> {
  const { connection, keys, leases, known } = context;
  const termS = seconds(request.waitTtlMs);
  const waiting = known.etcdLease(lease.etcdLease);
  if (lease.termS === termS || waiting?.askedS === termS) {
    if ((await leases.keepAlive(waiting ?? { id: lease.etcdLease })) <= 0) {
      known.forget(lease.id);
      return AGAIN;
    }
    if (memoryLease !== undefined) await leases.keepMemory(memoryLease);
    return refuse(context, request, blockers, null, { ...lease, leftMs: lease.termS * 1000 });
  }
  const moved = await leases.take(termS);
  const record: StoredLease = {
    ...lease,
    termS: moved.termS,
    wall: Date.now(),
    leftMs: moved.termS * 1000,
    told: null,
  };
  const answer = await sendOn(context, request, [moved], () =>
    connection.write({
      compare: [isWrittenAt(keys.record(lease.id), lease.revision)],
      success: movedTo(keys, record, moved),
    }),
  );
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
  const { connection, keys, known, leases } = context;
  const active = await leases.take(seconds(lease.ttlMs));
  const granted = grantOf(lease, active);
  const unchanged = isWrittenAt(keys.record(lease.id), lease.revision);
  const canCompare = blockers.length <= MAX_COMPARED;
  const reads = readBlockers(keys, lease.claims);
  const cancel: ITxnRequest = {
    compare: [unchanged],
    success: [
      ...reads,
      ...endLease(keys, lease, { end: "cancelled", isRemembered: known.isAmbiguous(lease.id) }).success,
    ],
  };
  const txn: ITxnRequest = canCompare
    ? {
        compare: [unchanged, ...blockers.map(({ id, token }) => isNotCreatedAt(keys.record(id), token))],
        success: movedTo(keys, granted, active),
        failure: [nested(cancel)],
      }
    : cancel;
  const answer = await sendOn(context, request, [active], () => connection.write(txn));
  if (answer === AGAIN) return AGAIN;
  if (canCompare && answer.succeeded) {
    giveUp(context, lease.etcdLease);
    known.onGranted({ ...lease, etcdLease: active });
    return {
      status: "granted",
      lease: shown({ ...granted, token: lease.token }, granted.ttlMs),
      repeated: false,
    };
  }
  leases.give(active);
  known.forget(lease.id);
  const inner = canCompare ? (answer.responses[0]?.response_txn as ITxnResponse) : answer;
  if (!inner.succeeded) return AGAIN;
  giveUp(context, lease.etcdLease);
  const found = blockersIn(keys, inner.responses.slice(0, reads.length), lease);
  return refuse(context, request, found.length > 0 ? found : blockers, Number(answer.header.revision), null);
}

async function onExisting(context: Context, request: AcquireRequest, look: Look): Promise<Tried> {
  const { lease, memory } = look;
  const { known } = context;
  const owner = lease?.agentId ?? memory?.agentId;
  if (owner !== request.agentId) throw notOwner(request.id);
  if (lease === null) {
    known.forget(request.id);
    const { end, by = null, reason = null } = memory as FoundMemory;
    return { status: "ended", end: end ?? (by === null ? "expired" : "revoked"), by, reason };
  }
  checkSame(request, lease);
  if (lease.state === "pending") {
    known.onPlaced(placeOf(lease, look));
    return AGAIN;
  }
  const [leftMs, graceInMs] = await Promise.all([holderLeftMs(context, lease), graceLeftMs(context, lease)]);
  if (leftMs === null) return AGAIN;
  return { status: "granted", lease: shown(lease, leftMs, graceInMs), repeated: true };
}

async function onGranted(
  context: Context,
  _request: AcquireRequest,
  lines: Lines,
  granted: StoredLease,
  token: number,
): Promise<AcquireResult> {
  const { active, waiting, memory } = lines;
  memory.keys += 1;
  if (waiting !== null) context.leases.give(waiting);
  context.known.onGranted({ ...granted, token, etcdLease: active });
  return { status: "granted", lease: shown({ ...granted, token }, granted.ttlMs), repeated: false };
}

async function refuse(
  context: Context,
  request: AcquireRequest,
  blockers: readonly BlockerKey[],
  revision: number | null,
  pending: FoundLease | null,
): Promise<AcquireResult> {
  const at = revision ?? context.known.place(request.id)?.revision ?? 0;
  const refusal = await describe(context, request.claims, blockers, at);
  const lease = pending && shown(pending, pending.leftMs);
  return { status: "refused", lease, ...refusal };
}

function checkSame(request: AcquireRequest, lease: FoundLease): void {
  if (lease.agentId !== request.agentId) throw notOwner(request.id);
  if (!sameClaims(lease.claims, request.claims)) throw differentClaims(request.id);
}

function isSame(request: AcquireRequest, lease: FoundLease): boolean {
  return lease.agentId === request.agentId && sameClaims(lease.claims, request.claims);
}

/** What callers are shown of a lease that has this much time left. */
function shown(lease: StoredLease & { readonly token: number }, leftMs: number, graceInMs = 0): Lease {
  return leaseOf(recordOf(lease, leftMs, graceInMs), { now: 0, wallNow: Date.now() });
}
