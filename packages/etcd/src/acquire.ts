/**
 * Asking for a lease. With nothing in the way it is one transaction, which compares that every range that could hold a
 * conflict is empty and puts record, claims and memory. If something is, the same transaction queues the request; its
 * blockers are read next.
 */
import { LeaseError } from "@lease/core";
import type { AcquireRequest, AcquireResult } from "@lease/core/backend";
import type { ITxnRequest } from "etcd3";
import { onExisting, refuse, shown, type Tried } from "./answers.js";
import { AGAIN, type Carriers, giveBack, sendOn, takeCarriers } from "./carriers.js";
import type { Context } from "./context.js";
import { perhapsApplied } from "./errors.js";
import type { EtcdLease } from "./etcd-leases.js";
import { isEmpty, isMissing, isOlderThan, nested } from "./ops.js";
import { acquireQueued } from "./queued.js";
import type { StoredLease } from "./record.js";
import { isKnown, queuedOf, readSnapshot } from "./snapshot.js";
import { newLease, puts } from "./writing.js";

/** Other requests were faster this often. */
const MAX_TRIES = 30;
/** After so many a wide request that may wait is queued first: then no later one comes before it. */
const MAX_WIDE_TRIES = 3;
/** Its caller did not learn that it is queued: a caller that gives up must release it. */
const QUEUED_UNSEEN = "The request is queued, but etcd did not say behind whom: ask again with the same id.";

export async function acquire(context: Context, request: AcquireRequest): Promise<AcquireResult> {
  const { cache } = context;
  const wasQueued = cache.queued(request.id) !== undefined;
  try {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const queued = cache.queued(request.id);
      const tried = await (queued === undefined
        ? enter(context, request, tries)
        : acquireQueued(context, request, queued));
      if (tried !== AGAIN) return tried;
    }
  } catch (error) {
    // A caller whose request was queued before this call knows that it is; this one does not know.
    throw wasQueued || cache.queued(request.id) === undefined ? error : perhapsApplied(error, QUEUED_UNSEEN);
  }
  throw new LeaseError(
    cache.queued(request.id) === undefined ? "BACKEND_UNAVAILABLE" : "OUTCOME_UNKNOWN",
    'This request kept losing to concurrent claims on these resources. Retry, or use wait: "queue".',
  );
}

/** The first question of an id, as far as this client knows. */
async function enter(context: Context, request: AcquireRequest, tries: number): Promise<Tried> {
  const { keys } = context;
  const ranges = keys.conflicts(request.claims);
  if (ranges === null) return enterWide(context, request, tries);
  const carriers = await takeCarriers(context, request);
  const granted = newLease(request, "active", carriers);
  const answer = await sendOn(context, carriers.active, () => giveBack(context, carriers, null), {
    compare: [isMissing(keys.memory(request.id)), ...ranges.map(isEmpty)],
    success: puts(keys, granted, carriers.active, carriers.memory),
    failure: carriers.waiting === null ? [] : [nested(enqueue(context, request, carriers, carriers.waiting))],
  });
  if (answer === AGAIN) return AGAIN;
  const revision = Number(answer.header.revision);
  if (answer.succeeded) return onGranted(context, carriers, granted, revision);
  const isQueued = answer.responses[0]?.response_txn?.succeeded === true;
  return onRefused(context, request, carriers, isQueued ? revision : null);
}

/**
 * The same for a request that could conflict in more ranges than a transaction takes: first all claims are read,
 * then a transaction succeeds only if nothing was claimed since.
 */
async function enterWide(context: Context, request: AcquireRequest, tries: number): Promise<Tried> {
  const { keys } = context;
  const snapshot = await readSnapshot(context, request.id, request.claims);
  if (isKnown(snapshot)) return onExisting(context, request, snapshot);
  const { blockers } = snapshot;
  if (blockers.length > 0 && request.wait === "no")
    return refuse(context, request, blockers, snapshot.revision, null);

  const carriers = await takeCarriers(context, request);
  const granted = newLease(request, "active", carriers);
  const unchanged = keys.trees.map((tree) => isOlderThan(tree, snapshot.revision + 1));
  const isQueued = carriers.waiting !== null && (blockers.length > 0 || tries >= MAX_WIDE_TRIES);
  const txn = isQueued
    ? enqueue(context, request, carriers, carriers.waiting as EtcdLease)
    : {
        compare: [isMissing(keys.memory(request.id)), ...unchanged],
        success: puts(keys, granted, carriers.active, carriers.memory),
      };
  const answer = await sendOn(context, carriers.active, () => giveBack(context, carriers, null), txn);
  if (answer === AGAIN) return AGAIN;
  const revision = Number(answer.header.revision);
  if (!isQueued && answer.succeeded) return onGranted(context, carriers, granted, revision);
  return onRefused(context, request, carriers, isQueued && answer.succeeded ? revision : null);
}

/** Queues a request, if its id is new. */
function enqueue(
  { keys }: Context,
  request: AcquireRequest,
  carriers: Carriers,
  waiting: EtcdLease,
): ITxnRequest {
  return {
    compare: [isMissing(keys.memory(request.id))],
    success: puts(keys, newLease(request, "pending", carriers), waiting, carriers.memory),
  };
}

function onGranted(context: Context, carriers: Carriers, granted: StoredLease, token: number): AcquireResult {
  const { active, waiting, memory } = carriers;
  if (waiting !== null && waiting !== active) context.leases.give(waiting);
  context.cache.onGranted({ ...granted, token, etcdLease: active, memory });
  return { status: "granted", lease: shown({ ...granted, token }, granted.ttlMs), repeated: false };
}

/**
 * Not granted: reads why.
 *
 * @param token - of the queued request, if it was queued
 */
async function onRefused(
  context: Context,
  request: AcquireRequest,
  carriers: Carriers,
  token: number | null,
): Promise<Tried> {
  giveBack(context, carriers, token === null ? null : carriers.waiting);
  if (token !== null) {
    return onQueued(context, request, carriers, token).catch((error: unknown) => {
      throw perhapsApplied(error, QUEUED_UNSEEN);
    });
  }
  const snapshot = await readSnapshot(context, request.id, request.claims);
  if (isKnown(snapshot)) return onExisting(context, request, snapshot);
  // What was in the way is gone already.
  if (snapshot.blockers.length === 0 || request.wait !== "no") return AGAIN;
  return refuse(context, request, snapshot.blockers, snapshot.revision, null);
}

async function onQueued(
  context: Context,
  request: AcquireRequest,
  carriers: Carriers,
  token: number,
): Promise<Tried> {
  const { leases, cache } = context;
  const waiting = carriers.waiting as EtcdLease;
  cache.use(waiting);
  // The etcd lease came from the pool: what it had left is not what was asked for.
  if (!(await leases.freshen(waiting))) return AGAIN;
  const snapshot = await readSnapshot(context, request.id, request.claims);
  if (snapshot.lease?.token !== token || snapshot.lease.state !== "pending") return AGAIN;
  cache.onQueued({ ...queuedOf(snapshot.lease, snapshot), memory: carriers.memory });
  if (snapshot.blockers.length === 0) return AGAIN;
  return refuse(context, request, snapshot.blockers, snapshot.revision, snapshot.lease);
}
