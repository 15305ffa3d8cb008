/**
 * Acquiring. A new request is one transaction: it compares that every range that could hold a conflict is empty and puts
 * record, claims and memory. If something is in the way, the same transaction queues the request, and what it waits for
 * is read next. A queued request acquires again: to be granted, to stay queued, or for the last time.
 */
import { LeaseError } from "@lease/core";
import {
  type AcquireRequest,
  type AcquireResult,
  differentClaims,
  notOwner,
  sameClaims,
} from "@lease/core/backend";
import type { ITxnRequest } from "etcd3";
import { type Context, type QueuedRequest, seconds } from "./context.js";
import { perhapsApplied } from "./errors.js";
import type { EtcdLease } from "./etcd-leases.js";
import { joined } from "./keys.js";
import type { FoundLease, FoundMemory, StoredLease } from "./model.js";
import { shown } from "./record.js";
import {
  blockersIn,
  describe,
  graceLeftMs,
  holderLeftMs,
  type InTheWay,
  isKnown,
  LOOKUP_MS,
  queuedOf,
  readBlockers,
  readSnapshot,
  type Snapshot,
} from "./snapshot.js";
import { isCreatedAt, isEmpty, isMissing, isOlderThan, MAX_OPS, nested } from "./txn.js";
import {
  AGAIN,
  type Carriers,
  endLease,
  giveBack,
  giveUp,
  moveOn,
  newLease,
  puts,
  sendOn,
  takeCarriers,
  writeOn,
} from "./writing.js";

/** Other requests were faster this often. */
const MAX_TRIES = 30;
/** Its caller did not learn that it is queued: a caller that gives up must release it. */
const QUEUED_UNSEEN = "The request is queued, but etcd did not say behind whom: ask again with the same id.";

type Tried = AcquireResult | typeof AGAIN;

export async function acquire(context: Context, request: AcquireRequest): Promise<AcquireResult> {
  const { cache, entrance } = context;
  const wasQueued = cache.queued(request.id) !== undefined;
  // What does not wait has no place in the queue to keep.
  const place = wasQueued || request.wait === "no" ? undefined : entrance.take(request.claims);
  try {
    if (place?.turn) await place.turn;
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const queued = cache.queued(request.id);
      const tried = await (queued === undefined
        ? enter(context, request, tries, place?.leave)
        : acquireQueued(context, request, queued));
      if (tried !== AGAIN) return tried;
    }
  } catch (error) {
    // A caller whose request was queued before this call knows that it is; this one does not know.
    throw wasQueued || cache.queued(request.id) === undefined ? error : perhapsApplied(error, QUEUED_UNSEEN);
  } finally {
    place?.leave();
  }
  throw new LeaseError(
    cache.queued(request.id) === undefined ? "BACKEND_UNAVAILABLE" : "OUTCOME_UNKNOWN",
    'This request kept losing to concurrent claims on these resources. Retry, or use wait: "queue".',
  );
}

/**
 * The first acquire of an id, as far as this client knows. A wide request may need more compares than a transaction
 * takes. Then what is in its way is read first, and what is compared is that nothing came since, also between
 * neighbours of its claims. One that may wait and did not get through is queued, and then nothing comes before it.
 *
 * @param entered - called once it is granted, queued or refused
 */
async function enter(
  context: Context,
  request: AcquireRequest,
  tries: number,
  entered = () => {},
): Promise<Tried> {
  const { keys } = context;
  const isNew = isMissing(keys.memory(request.id));
  const ranges = keys.conflicts(request.claims);
  const mayWait = request.wait !== "no";
  const queuesToo = mayWait && 1 + ranges.length + 2 + request.claims.length <= MAX_OPS;
  const queuesOnly = mayWait && !queuesToo && tries > 0;
  let free = ranges.map(isEmpty);
  if (free.length >= MAX_OPS && !queuesOnly) {
    const snapshot = await readSnapshot(context, request.id, request.claims);
    if (isKnown(snapshot)) return onExisting(context, request, snapshot);
    if (snapshot.blockers.length > 0) return mayWait ? AGAIN : refuse(context, request, snapshot, null);
    free = joined(ranges, MAX_OPS - 1).map((range) => isOlderThan(range, snapshot.revision + 1));
  }

  const on = await takeCarriers(context, request);
  const granted = newLease(request, "active", on);
  const grant: ITxnRequest = {
    compare: [isNew, ...free],
    success: puts(keys, granted, on.active, on.memory),
  };
  const enqueue = (waiting: EtcdLease): ITxnRequest => ({
    compare: [isNew],
    success: puts(keys, newLease(request, "pending", on), waiting, on.memory),
  });
  const txn =
    on.waiting === null || !(queuesToo || queuesOnly)
      ? grant
      : queuesOnly
        ? enqueue(on.waiting)
        : { ...grant, failure: [nested(enqueue(on.waiting))] };
  const carrier = queuesOnly && on.waiting !== null ? on.waiting : on.active;
  const answer = await sendOn(context, carrier, () => giveBack(context, on, null), txn);
  if (answer === AGAIN) return AGAIN;
  entered();

  const revision = Number(answer.header.revision);
  if (answer.succeeded && !queuesOnly) return onGranted(context, on, granted, revision);
  const isQueued = answer.succeeded || answer.responses[0]?.response_txn?.succeeded === true;
  giveBack(context, on, isQueued ? on.waiting : null);
  if (isQueued) {
    return onQueued(context, request, on, revision).catch((error: unknown) => {
      throw perhapsApplied(error, QUEUED_UNSEEN);
    });
  }
  const snapshot = await readSnapshot(context, request.id, request.claims);
  if (isKnown(snapshot)) return onExisting(context, request, snapshot);
  // What was in the way is gone already, or it is queued next.
  return snapshot.blockers.length === 0 || mayWait ? AGAIN : refuse(context, request, snapshot, null);
}

function onGranted(context: Context, on: Carriers, granted: StoredLease, token: number): AcquireResult {
  const { active, waiting, memory } = on;
  if (waiting !== null && waiting !== active) context.leases.give(waiting);
  context.cache.onGranted({ ...granted, token, etcdLease: active, memory });
  return { status: "granted", lease: shown({ ...granted, token }, granted.ttlMs), repeated: false };
}

async function onQueued(
  context: Context,
  request: AcquireRequest,
  on: Carriers,
  token: number,
): Promise<Tried> {
  const { leases, cache } = context;
  const waiting = on.waiting as EtcdLease;
  cache.use(waiting);
  // The etcd lease came from the pool: what it had left is not what was asked for.
  if (!(await leases.freshen(waiting))) return AGAIN;
  const snapshot = await readSnapshot(context, request.id, request.claims);
  if (snapshot.lease?.token !== token || snapshot.lease.state !== "pending") return AGAIN;
  cache.onQueued({ ...queuedOf(snapshot.lease, snapshot), memory: on.memory });
  return snapshot.blockers.length === 0 ? AGAIN : refuse(context, request, snapshot, snapshot.lease);
}

/** The id is known already: as a lease, or by how it ended. */
async function onExisting(context: Context, request: AcquireRequest, found: Snapshot): Promise<Tried> {
  const { lease, memory } = found;
  const { cache } = context;
  if ((lease?.agentId ?? memory?.agentId) !== request.agentId) throw notOwner(request.id);
  if (lease === null) {
    cache.forget(request.id);
    const { end, by = null, reason = null } = memory as FoundMemory;
    return { status: "ended", end: end ?? (by === null ? "expired" : "revoked"), by, reason };
  }
  if (!sameClaims(lease.claims, request.claims)) throw differentClaims(request.id);
  if (lease.state === "pending") {
    cache.onQueued(queuedOf(lease, found));
    return AGAIN;
  }
  const [leftMs, graceInMs] = await Promise.all([holderLeftMs(context, lease), graceLeftMs(context, lease)]);
  if (leftMs === null) return AGAIN;
  return { status: "granted", lease: shown(lease, leftMs, graceInMs), repeated: true };
}

async function refuse(
  context: Context,
  request: AcquireRequest,
  inTheWay: InTheWay,
  pending: FoundLease | null,
): Promise<AcquireResult> {
  const refusal = await describe(context, request.claims, inTheWay);
  return { status: "refused", lease: pending && shown(pending, pending.leftMs), ...refusal };
}

async function acquireQueued(
  context: Context,
  request: AcquireRequest,
  { lease, blockers }: QueuedRequest,
): Promise<Tried> {
  // When all its blockers have ended, nothing needs to be read.
  const isSame = lease.agentId === request.agentId && sameClaims(lease.claims, request.claims);
  if (blockers.size === 0 && isSame) return promote(context, lease);
  const snapshot = await readSnapshot(context, request.id, request.claims);
  if (!isKnown(snapshot)) {
    // Released or cancelled elsewhere: an id that is forgotten can be asked for again.
    context.cache.forget(request.id);
    return AGAIN;
  }
  const found = snapshot.lease;
  if (found?.state !== "pending" || found.agentId !== request.agentId) {
    return onExisting(context, request, snapshot);
  }
  if (!sameClaims(found.claims, request.claims)) throw differentClaims(request.id);
  context.cache.onQueued(queuedOf(found, snapshot));
  if (snapshot.blockers.length === 0) return promote(context, found);
  if (request.wait === "no") return leave(context, request, found, snapshot);
  return heartbeat(context, request, found, snapshot);
}

/** Grants a queued request. No later one can come before it, so only its own record is compared. */
async function promote(context: Context, lease: FoundLease): Promise<Tried> {
  const change = { state: "active", acquiredWall: Date.now(), event: "acquired" } as const;
  const promoted = await moveOn(context, lease, seconds(lease.ttlMs), change);
  if (promoted === AGAIN) {
    context.cache.forget(lease.id);
    return AGAIN;
  }
  const { moved, on } = promoted;
  context.cache.onGranted({ ...moved, etcdLease: on });
  return { status: "granted", lease: shown(moved, moved.leftMs), repeated: false };
}

/** Stays queued for another `waitTtlMs`. */
async function heartbeat(
  context: Context,
  request: AcquireRequest,
  lease: FoundLease,
  snapshot: Snapshot,
): Promise<Tried> {
  const { leases, cache } = context;
  const termS = seconds(request.waitTtlMs);
  const waiting = cache.etcdLease(lease.etcdLease);
  if (lease.termS !== termS && waiting?.askedS !== termS) return stayFor(context, request, lease, snapshot);
  if ((await leases.keepAlive(waiting ?? { id: lease.etcdLease })) <= 0) {
    cache.forget(lease.id);
    return AGAIN;
  }
  const { memory } = snapshot;
  if (memory !== null) await leases.keepMemory(memory.etcdLease);
  // A long queue of waiters would otherwise look up the same times again and again.
  const inTheWay = { ...snapshot, askedAt: snapshot.askedAt - LOOKUP_MS };
  return refuse(context, request, inTheWay, { ...lease, leftMs: lease.termS * 1000 });
}

/** The same for another `waitTtlMs` than before: on another etcd lease. */
async function stayFor(
  context: Context,
  request: AcquireRequest,
  lease: FoundLease,
  snapshot: Snapshot,
): Promise<Tried> {
  const stayed = await moveOn(context, lease, seconds(request.waitTtlMs), { event: null });
  if (stayed === AGAIN) {
    context.cache.forget(lease.id);
    return AGAIN;
  }
  const { moved } = stayed;
  context.cache.onQueued(queuedOf(moved, { ...snapshot, revision: moved.revision }));
  return refuse(context, request, snapshot, moved);
}

/**
 * The last acquire of a waiter, with something in its way. It leaves the queue if what was there longest to come is there
 * still, and is refused by what the same transaction reads; otherwise its turn may have come.
 */
async function leave(
  context: Context,
  request: AcquireRequest,
  lease: FoundLease,
  { blockers }: Snapshot,
): Promise<Tried> {
  const { keys, cache, leases } = context;
  const last = blockers.at(-1) as (typeof blockers)[number];
  const cancel = endLease(keys, lease, { end: "cancelled", isRemembered: false });
  const reads = readBlockers(keys, lease.claims, MAX_OPS - cancel.success.length);
  const askedAt = performance.now();
  const answer = await writeOn(context, {
    compare: [...cancel.compare, isCreatedAt(last.key, last.token)],
    success: [...reads, ...cancel.success],
  });
  if (answer === AGAIN || !answer.succeeded) return AGAIN;
  const memory = cache.memory(lease.id);
  cache.forget(lease.id);
  giveUp(context, lease.etcdLease);
  if (memory !== undefined) leases.forget(memory);
  const found = blockersIn(keys, answer.responses.slice(0, reads.length), lease);
  return refuse(
    context,
    request,
    { blockers: found, revision: Number(answer.header.revision), askedAt },
    null,
  );
}
