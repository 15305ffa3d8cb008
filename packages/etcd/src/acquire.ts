/**
 * Asking for a lease. With nothing in the way it is one transaction, which compares that every range that could hold a
 * conflict is empty and puts record, claims and memory. If something is, the same transaction puts the request in
 * line and answers with what stands before it.
 */
import { LeaseError } from "@lease/core";
import type { AcquireRequest, AcquireResult } from "@lease/core/backend";
import type { ITxnRequest } from "etcd3";
import { onExisting, refuse, shown, type Tried } from "./answers.js";
import type { Context } from "./context.js";
import { perhapsApplied } from "./errors.js";
import type { EtcdLease } from "./etcd-leases.js";
import { askAgain } from "./in-line.js";
import { AGAIN, giveBack, type Lines, sendOn, takeLines } from "./lines.js";
import { isKnown, lookAt, placeOf } from "./look.js";
import { isEmpty, isMissing, isOlderThan, nested } from "./ops.js";
import type { StoredLease } from "./record.js";
import { newLease, puts } from "./writing.js";

/** Somebody was faster this often: etcd works, but not for us. */
const MAX_TRIES = 30;
/** After so many a wide request that may wait goes through the line, where nobody comes before it any more. */
const MAX_WIDE_TRIES = 3;

export async function acquire(context: Context, request: AcquireRequest): Promise<AcquireResult> {
  const { known } = context;
  const stoodInLine = known.place(request.id) !== undefined;
  try {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const place = known.place(request.id);
      const tried = await (place === undefined
        ? enter(context, request, tries)
        : askAgain(context, request, place));
      if (tried !== AGAIN) return tried;
    }
  } catch (error) {
    // Whoever was told before that it stands in line knows; here it came to stand there.
    throw stoodInLine || known.place(request.id) === undefined ? error : queuedUnseen(error);
  }
  throw new LeaseError(
    known.place(request.id) === undefined ? "BACKEND_UNAVAILABLE" : "OUTCOME_UNKNOWN",
    'This request kept losing to concurrent claims on these resources. Retry, or use wait: "queue".',
  );
}

/** The first question of an id, as far as this client knows. */
async function enter(context: Context, request: AcquireRequest, tries: number): Promise<Tried> {
  const { keys } = context;
  const ranges = keys.conflicts(request.claims);
  if (ranges === null) return enterWide(context, request, tries);
  const lines = await takeLines(context, request);
  const granted = newLease(request, "active", lines);
  const answer = await sendOn(context, lines.active, () => giveBack(context, lines, null), {
    compare: [isMissing(keys.memory(request.id)), ...ranges.map(isEmpty)],
    success: puts(keys, granted, lines.active, lines.memory),
    failure: lines.waiting === null ? [] : [nested(inLine(context, request, lines, lines.waiting))],
  });
  if (answer === AGAIN) return AGAIN;
  const revision = Number(answer.header.revision);
  if (answer.succeeded) return onGranted(context, lines, granted, revision);
  const isQueued = answer.responses[0]?.response_txn?.succeeded === true;
  return onRefused(context, request, lines, isQueued ? revision : null);
}

/**
 * The same for a request that could conflict in more ranges than a transaction takes: first a look at all claims, then
 * a transaction that holds only if nobody claimed anything since.
 */
async function enterWide(context: Context, request: AcquireRequest, tries: number): Promise<Tried> {
  const { keys } = context;
  const look = await lookAt(context, request.id, request.claims);
  if (isKnown(look)) return onExisting(context, request, look);
  const { blockers } = look;
  if (blockers.length > 0 && request.wait === "no")
    return refuse(context, request, blockers, look.revision, null);

  const lines = await takeLines(context, request);
  const granted = newLease(request, "active", lines);
  const unchanged = keys.trees.map((tree) => isOlderThan(tree, look.revision + 1));
  const isQueued = lines.waiting !== null && (blockers.length > 0 || tries >= MAX_WIDE_TRIES);
  const txn = isQueued
    ? inLine(context, request, lines, lines.waiting as EtcdLease)
    : {
        compare: [isMissing(keys.memory(request.id)), ...unchanged],
        success: puts(keys, granted, lines.active, lines.memory),
      };
  const answer = await sendOn(context, lines.active, () => giveBack(context, lines, null), txn);
  if (answer === AGAIN) return AGAIN;
  const revision = Number(answer.header.revision);
  if (!isQueued && answer.succeeded) return onGranted(context, lines, granted, revision);
  return onRefused(context, request, lines, isQueued && answer.succeeded ? revision : null);
}

/** Puts a request in line, if its id is new. */
function inLine({ keys }: Context, request: AcquireRequest, lines: Lines, waiting: EtcdLease): ITxnRequest {
  return {
    compare: [isMissing(keys.memory(request.id))],
    success: puts(keys, newLease(request, "pending", lines), waiting, lines.memory),
  };
}

function onGranted(context: Context, lines: Lines, granted: StoredLease, token: number): AcquireResult {
  const { active, waiting, memory } = lines;
  if (waiting !== null && waiting !== active) context.leases.give(waiting);
  context.known.onGranted({ ...granted, token, etcdLease: active, memory });
  return { status: "granted", lease: shown({ ...granted, token }, granted.ttlMs), repeated: false };
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
  giveBack(context, lines, token === null ? null : lines.waiting);
  if (token !== null) {
    return onQueued(context, request, lines, token).catch((error: unknown) => {
      throw queuedUnseen(error);
    });
  }
  const look = await lookAt(context, request.id, request.claims);
  if (isKnown(look)) return onExisting(context, request, look);
  // What stood in the way is gone already.
  if (look.blockers.length === 0 || request.wait !== "no") return AGAIN;
  return refuse(context, request, look.blockers, look.revision, null);
}

async function onQueued(
  context: Context,
  request: AcquireRequest,
  lines: Lines,
  token: number,
): Promise<Tried> {
  const { leases, known } = context;
  const waiting = lines.waiting as EtcdLease;
  known.use(waiting);
  // The etcd lease came from the pool: what it had left is not what was asked for.
  if (!(await leases.freshen(waiting))) return AGAIN;
  const look = await lookAt(context, request.id, request.claims);
  if (look.lease?.token !== token || look.lease.state !== "pending") return AGAIN;
  known.onPlaced({ ...placeOf(look.lease, look), memory: lines.memory });
  if (look.blockers.length === 0) return AGAIN;
  return refuse(context, request, look.blockers, look.revision, look.lease);
}

/** It is queued, but its caller did not learn so: a caller that gives up must release it. */
function queuedUnseen(error: unknown): unknown {
  return perhapsApplied(
    error,
    "The request is queued, but etcd did not say behind whom: ask again with the same id.",
  );
}
