/** What is in the way of a request: found by its keys, described for people. */
import { type Claim, MAX, type Refusal } from "@lease/core";
import { type Obstacle, refusalOf } from "@lease/core/backend";
import type { IKeyValue, IRequestOp, IResponseOp } from "etcd3";
import type { Context } from "./context.js";
import { isCompacted } from "./errors.js";
import { type BlockerKey, inTheWay, type Keys } from "./keys.js";
import { get, getRange } from "./ops.js";
import { decodeLease } from "./record.js";

/** Each remaining time is a call: in a long queue only the first are asked for, which are the same for all in it. */
const MAX_LOOKUPS = 32;

/** Reads for a transaction that find what is in the way of these claims. */
export function readBlockers(keys: Keys, claims: readonly Claim[]): IRequestOp[] {
  return (keys.conflicts(claims) ?? keys.trees).map(getRange);
}

/** The leases that such reads found, of smaller token than the request's own, in order of tokens. */
export function blockersIn(
  keys: Keys,
  reads: readonly IResponseOp[],
  request: { readonly id: string; readonly token?: number; readonly claims: readonly Claim[] },
): BlockerKey[] {
  const found = new Map<string, BlockerKey>();
  for (const { response_range } of reads) {
    for (const kv of response_range.kvs) addBlocker(found, keys, kv, request);
  }
  return [...found.values()].sort((a, b) => a.token - b.token);
}

function addBlocker(
  found: Map<string, BlockerKey>,
  keys: Keys,
  kv: IKeyValue,
  request: { readonly id: string; readonly token?: number; readonly claims: readonly Claim[] },
): void {
  const { id, claim } = keys.parseClaim(kv);
  const token = Number(kv.create_revision);
  if (id === request.id || token >= (request.token ?? Number.POSITIVE_INFINITY)) return;
  if (!inTheWay(request.claims, claim)) return;
  const known = found.get(id);
  if (known !== undefined) known.claims.push(claim);
  else found.set(id, { id, token, etcdLease: String(kv.lease), claims: [claim] });
}

/** Describes a refusal: who the first blockers are, as of `revision`, and how long each has left. */
export async function describe(
  { connection, keys, leases }: Context,
  claims: readonly Claim[],
  blockers: readonly BlockerKey[],
  revision: number,
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
    Promise.all(blockers.slice(0, MAX_LOOKUPS).map(({ etcdLease }) => leases.remaining(etcdLease))),
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
