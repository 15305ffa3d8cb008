/** What etcd holds of an id and in its way, as of one revision, and how long that has left. */
import { type Claim, MAX, type Refusal } from "@lease/core";
import { type Obstacle, refusalOf } from "@lease/core/backend";
import type { IRequestOp, IResponseOp } from "etcd3";
import type { Context, QueuedRequest } from "./context.js";
import { isCompacted } from "./errors.js";
import { termLeftMs } from "./etcd-leases.js";
import { inTheWay, joined, type Keys } from "./keys.js";
import type { BlockerKey, FoundLease, FoundMemory } from "./model.js";
import { decodeLease, decodeMemory } from "./record.js";
import { get, getRange, MAX_OPS } from "./txn.js";

/** Each remaining time is a call: in a long queue only the first are asked for, which are the same for all in it. */
const MAX_LOOKUPS = 32;
/** For heartbeats, and for blockers that are not shown, what another call looked up will do for this long. */
export const LOOKUP_MS = 250;

export interface Found {
  readonly lease: FoundLease | null;
  readonly memory: FoundMemory | null;
}

/** What is in the way of a request, in order of tokens. */
export interface InTheWay {
  readonly blockers: BlockerKey[];
  readonly revision: number;
  /** When it was asked for, by `performance.now()`. */
  readonly askedAt: number;
}

export interface Snapshot extends Found, InTheWay {}

export async function readSnapshot(
  context: Context,
  id: string,
  claims: readonly Claim[],
): Promise<Snapshot> {
  const { connection, keys } = context;
  const askedAt = performance.now();
  const own = readId(keys, id);
  const { header, responses } = await connection.read({
    success: [...own, ...readBlockers(keys, claims, MAX_OPS - own.length)],
  });
  const found = foundIn(responses, id);
  const blockers = blockersIn(keys, responses.slice(own.length), found.lease ?? { id, claims });
  return { ...found, blockers, revision: Number(header.revision), askedAt };
}

/** Reads for a transaction that find the lease of an id and what is remembered of it. */
export function readId(keys: Keys, id: string): IRequestOp[] {
  return [get(keys.record(id)), get(keys.memory(id))];
}

/** What such reads found. */
export function foundIn([first, second]: readonly IResponseOp[], id: string): Found {
  const record = first?.response_range.kvs[0];
  const memory = second?.response_range.kvs[0];
  return {
    lease: record === undefined ? null : decodeLease(record, id),
    memory: memory === undefined ? null : decodeMemory(memory),
  };
}

/** At most so many reads for a transaction that find what is in the way of these claims. */
export function readBlockers(keys: Keys, claims: readonly Claim[], most: number): IRequestOp[] {
  return joined(keys.conflicts(claims), most).map(getRange);
}

/** The leases that such reads found, of smaller token than the request's own, in order of tokens. */
export function blockersIn(
  keys: Keys,
  reads: readonly IResponseOp[],
  request: { readonly id: string; readonly token?: number; readonly claims: readonly Claim[] },
): BlockerKey[] {
  const found = new Map<string, BlockerKey>();
  for (const kv of reads.flatMap(({ response_range }) => response_range.kvs)) {
    const { id, claim } = keys.parseClaim(kv);
    const token = Number(kv.create_revision);
    if (id === request.id || token >= (request.token ?? Number.POSITIVE_INFINITY)) continue;
    if (!inTheWay(request.claims, claim)) continue;
    const known = found.get(id);
    if (known !== undefined) known.claims.push(claim);
    else found.set(id, { id, token, etcdLease: String(kv.lease), claims: [claim], key: kv.key });
  }
  return [...found.values()].sort((a, b) => a.token - b.token);
}

export function isKnown({ lease, memory }: Found): boolean {
  return lease !== null || memory !== null;
}

export function queuedOf(
  lease: FoundLease,
  { blockers, revision }: Pick<InTheWay, "blockers" | "revision">,
): QueuedRequest {
  return { lease, blockers: new Map(blockers.map((blocker) => [blocker.id, blocker])), revision };
}

/** Describes a refusal: who the first blockers are, and how long each has left. */
export async function describe(
  { connection, keys, leases }: Context,
  claims: readonly Claim[],
  { blockers, revision, askedAt }: InTheWay,
): Promise<Refusal> {
  const first = blockers.slice(0, MAX.blockers);
  const read = (options: { revision?: number }) =>
    connection.read({ success: first.map(({ id }) => get(keys.record(id), options)) });
  const reading = read({ revision }).catch((error: { cause?: unknown }) => {
    // Compacted in between: as it is now has to do.
    if (isCompacted(error.cause ?? error)) return read({});
    throw error;
  });
  const [{ responses }, left] = await Promise.all([
    reading,
    Promise.all(
      blockers
        .slice(0, MAX_LOOKUPS)
        .map(({ etcdLease }, index) =>
          leases.remaining(etcdLease, index < first.length ? askedAt : askedAt - LOOKUP_MS),
        ),
    ),
  ]);
  // Reported to the blocked request, so it must not be too small. etcd rounds down, but the etcd lease is one second
  // longer than its term.
  const blocksMs = left.map((seconds) => Math.max(1, seconds * 1000));
  const shown = first.map((blocker, index): Obstacle => {
    const kv = responses[index]?.response_range?.kvs[0];
    const lease = kv === undefined ? unnamed(blocker) : decodeLease(kv, blocker.id);
    return { lease, blocksMs: blocksMs[index] as number };
  });
  return refusalOf(claims, shown, blockers.length, Math.min(...blocksMs));
}

/** A blocker whose record is gone: only how long it is in the way is known. */
function unnamed({ id, token, claims }: BlockerKey): Obstacle["lease"] {
  return { id, token, claims, agentId: "?", state: "active", reason: null };
}

/**
 * What a holder may rely on: surely not more than is left. `null` when the lease is gone. etcd answers in whole seconds,
 * rounded down, and one of them is ours to spare.
 */
export async function holderLeftMs({ leases, cache }: Context, lease: FoundLease): Promise<number | null> {
  const left = await leases.remaining(lease.etcdLease);
  if (left < 0) return null;
  const read = Math.max(0, left - 1) * 1000;
  // This client's own keep-alives are known to the millisecond.
  const own = cache.etcdLease(lease.etcdLease);
  return own === undefined ? read : Math.max(read, termLeftMs(own));
}

/** What is left of a soft revoke's grace: 0 when it is over, or when there is none. */
export async function graceLeftMs({ leases }: Context, { revoking }: FoundLease): Promise<number> {
  if (revoking === null) return 0;
  const left = await leases.remaining(revoking.graceLease);
  return left < 0 ? 0 : Math.min(revoking.graceMs, (left + 1) * 1000);
}
