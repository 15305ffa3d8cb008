/**
 * Renewing. A keep-alive alone is no renewal: an etcd lease outlives what a revoke took off it. So: read, and refuse
 * what must be refused; keep alive; read again, and only what is still there was renewed. Nothing of that is a
 * consensus write. A renewal that is counted, or for another TTL, moves the lease to a fresh etcd lease in one
 * transaction with its count, so that a lost reply neither eats a renewal nor gives one for nothing.
 */
import { isLeaseError, LeaseError } from "@lease/core";
import { owns, type RenewRequest, type RenewResult, wholeBatch } from "@lease/core/backend";
import { type Context, seconds } from "./context.js";
import { perhapsApplied } from "./errors.js";
import type { FoundLease, FoundMemory } from "./model.js";
import { encodeLease, encodeMemory, shown } from "./record.js";
import { type Found, foundIn, graceLeftMs, holderLeftMs, readId } from "./snapshot.js";
import { isWrittenAt, put } from "./txn.js";
import { AGAIN, moveOn, writeOn } from "./writing.js";

/** Two reads a lease: so many fit in a transaction of 128. */
const LEASES_A_READ = 60;
/** Attempts in a row in each of which other calls wrote all these leases between reading and writing. */
const MAX_TRIES = 10;
const CONFLICTING = "The renewal kept conflicting with concurrent writes to these leases. Retry.";

/** Renews a batch. Requests for one id are answered one after the other, those for different ids together. */
export async function renew(context: Context, requests: readonly RenewRequest[]): Promise<RenewResult[]> {
  const results = new Map<RenewRequest, RenewResult>();
  let open = requests;
  try {
    for (let inVain = 0; open.length > 0; inVain += 1) {
      if (inVain === MAX_TRIES) throw new LeaseError("BACKEND_UNAVAILABLE", CONFLICTING);
      const ids = new Set<string>();
      const round = open.filter(({ id }) => ids.size < ids.add(id).size);
      for (const [request, result] of await attempt(context, round, requests.length > 1)) {
        results.set(request, result);
        inVain = 0;
      }
      open = open.filter((request) => !results.has(request));
    }
  } catch (error) {
    throw results.size > 0 ? perhapsApplied(error) : error;
  }
  return requests.map((request) => results.get(request) as RenewResult);
}

/** Renews leases of different ids. What is missing in the result was written by another call in between. */
async function attempt(
  context: Context,
  requests: readonly RenewRequest[],
  isBatch: boolean,
): Promise<Map<RenewRequest, RenewResult>> {
  const results = new Map<RenewRequest, RenewResult>();
  const kept = new Map<RenewRequest, Kept>();
  const found = await readAll(context, requests);
  const acted = await wholeBatch(
    requests.map((request) => {
      const one = found.get(request.id) as Found;
      const acting = act(context, request, one);
      return isBatch ? acting.catch((error) => withoutSpace(context, one, error)) : acting;
    }),
  );
  for (const [index, request] of requests.entries()) {
    const outcome = acted[index] as Acted;
    if (outcome === AGAIN) continue;
    if ("status" in outcome) results.set(request, outcome);
    else kept.set(request, outcome);
  }
  const after = await readAll(context, [...kept.keys()]).catch((error: unknown) => {
    throw perhapsApplied(error);
  });
  for (const [request, one] of kept) {
    const result = confirmed(request, one, after.get(request.id)?.lease ?? null);
    if (result !== AGAIN) results.set(request, result);
  }
  return results;
}

/** A lease that lives for so long, if it is still there: that is to be confirmed. */
interface Kept {
  readonly lease: FoundLease;
  readonly leftMs: number;
  readonly graceInMs: number;
  /** What became of the count of the renewal. */
  readonly count: "renewed" | "repeated" | "out-of-order";
}
type Acted = RenewResult | Kept | typeof AGAIN;

/**
 * A renewal that is counted needs space. Where there is none, it must not take the others of its batch with it: this
 * one is answered as a repeat: neither counted nor extended.
 */
async function withoutSpace(context: Context, { lease }: Found, error: unknown): Promise<Acted> {
  if (!isLeaseError(error, "BACKEND_FULL") || lease === null) throw error;
  const [leftMs, graceInMs] = await Promise.all([holderLeftMs(context, lease), graceLeftMs(context, lease)]);
  return leftMs === null ? AGAIN : { lease, leftMs, graceInMs, count: "repeated" };
}

async function act(context: Context, request: RenewRequest, { lease, memory }: Found): Promise<Acted> {
  if (lease === null) return endedResult(request, memory);
  if (!owns(request, lease)) return { status: "not-owner" };
  if (lease.state === "pending") return { status: "pending" };
  const graceInMs = await graceLeftMs(context, lease);
  if (lease.revoking !== null && graceInMs === 0) {
    return { status: "revoked", by: lease.revoking.by, reason: lease.revoking.reason };
  }
  const { maxRenewals } = lease;
  const renewal = renewalOf(request, lease);
  const isCounted = maxRenewals !== null;
  if (isCounted && renewal !== lease.renewals + 1) {
    const leftMs = await holderLeftMs(context, lease);
    const count = renewal <= lease.renewals ? "repeated" : "out-of-order";
    return leftMs === null ? AGAIN : { lease, leftMs, graceInMs, count };
  }
  if (isCounted && renewal > maxRenewals) return { status: "renewal-limit", maxRenewals };
  if (memory === null || !(await context.leases.keepMemory(memory.etcdLease))) {
    // The memory of this id was removed by hand. It is needed again when the lease runs out.
    if (!(await remember(context, lease))) return AGAIN;
  }

  const termS = seconds(request.ttlMs ?? lease.ttlMs);
  if (!isCounted && termS === lease.termS) {
    const own = context.cache.etcdLease(lease.etcdLease);
    const keptS = await context.leases.keepAlive(own ?? { id: lease.etcdLease });
    return keptS <= 0 ? AGAIN : { lease, leftMs: lease.termS * 1000, graceInMs, count: "renewed" };
  }
  const leftMs = termS < lease.termS ? await holderLeftMs(context, lease) : 0;
  if (leftMs === null) return AGAIN;
  const kept = { lease, leftMs, graceInMs, count: "renewed" } as const;
  // Where more is left already than was asked for, nothing is extended: a renewal never shortens.
  if (leftMs < termS * 1000) return extend(context, kept, renewal, termS);
  return isCounted ? writeCount(context, kept, renewal) : kept;
}

/** Writes the count alone. */
async function writeCount(context: Context, kept: Kept, renewals: number): Promise<Acted> {
  const { lease, leftMs } = kept;
  const record = { ...lease, renewals, wall: Date.now(), leftMs, event: null };
  const key = context.keys.record(lease.id);
  const answer = await writeOn(context, {
    compare: [isWrittenAt(key, lease.revision)],
    success: [put(key, encodeLease(record), lease.etcdLease)],
  });
  return answer === AGAIN || !answer.succeeded ? AGAIN : renewed({ ...kept, lease: record });
}

/** Moves the lease to an etcd lease that has the whole term, in one step with its count. */
async function extend(context: Context, kept: Kept, renewals: number, termS: number): Promise<Acted> {
  const { keys, leases, cache } = context;
  const { lease } = kept;
  const memory = termS > lease.memoryS ? await leases.memory(termS) : undefined;
  const change = {
    renewals: lease.maxRenewals === null ? lease.renewals : renewals,
    memoryS: memory?.termS ?? lease.memoryS,
    event: null,
  };
  const remembers = memory === undefined ? [] : [put(keys.memory(lease.id), memoryOf(lease), memory.id)];
  const extended = await moveOn(context, lease, termS, change, remembers);
  const before = cache.memory(lease.id);
  const unused = extended === AGAIN ? memory : memory && before;
  if (unused !== undefined) leases.forget(unused);
  if (extended === AGAIN) return AGAIN;
  const { moved, on } = extended;
  cache.onGranted({ ...lease, etcdLease: on, memory });
  return renewed({ ...kept, lease: { ...moved, renewals }, leftMs: moved.leftMs });
}

async function remember(context: Context, lease: FoundLease): Promise<boolean> {
  const { keys, leases } = context;
  const memory = await leases.memory(Math.max(lease.memoryS, lease.termS));
  const answer = await writeOn(context, {
    compare: [isWrittenAt(keys.record(lease.id), lease.revision)],
    success: [put(keys.memory(lease.id), memoryOf(lease), memory.id)],
  });
  return answer !== AGAIN && answer.succeeded;
}

function memoryOf({ agentId, revoking }: FoundLease): Buffer {
  return encodeMemory(
    revoking === null ? { agentId } : { agentId, by: revoking.by, reason: revoking.reason },
  );
}

/** The answer holds only if the lease was still there, on the same etcd lease and with as many renewals counted. */
function confirmed(request: RenewRequest, kept: Kept, now: FoundLease | null) {
  const { lease } = kept;
  if (now === null || now.token !== lease.token || now.etcdLease !== lease.etcdLease) return AGAIN;
  if (now.renewals !== lease.renewals) return AGAIN;
  if (now.revoking?.graceLease !== lease.revoking?.graceLease) return AGAIN;
  const renewals = now.maxRenewals === null ? renewalOf(request, now) : now.renewals;
  return renewed({ ...kept, lease: { ...now, renewals } });
}

function renewed({ lease, leftMs, graceInMs, count }: Kept): RenewResult {
  const now = shown(lease, leftMs, graceInMs);
  if (count === "out-of-order") return { status: count, lease: now };
  return { status: "renewed", lease: now, repeated: count === "repeated" };
}

/** Which renewal this is. Without a limit none is counted, so it is what the caller says. */
function renewalOf(request: RenewRequest, lease: FoundLease): number {
  return request.renewal ?? lease.renewals + 1;
}

function endedResult(request: RenewRequest, memory: FoundMemory | null): RenewResult {
  if (memory === null) return { status: "not-found" };
  if (memory.agentId !== request.agentId) return { status: "not-owner" };
  const { end, by = null, reason = null } = memory;
  if (end === undefined && by === null) return { status: "expired" };
  if (end === undefined || end === "revoked") return { status: "revoked", by, reason };
  return { status: "not-found" };
}

async function readAll(
  { connection, keys }: Context,
  requests: readonly RenewRequest[],
): Promise<Map<string, Found>> {
  const found = new Map<string, Found>();
  const reads: Promise<void>[] = [];
  for (let start = 0; start < requests.length; start += LEASES_A_READ) {
    const part = requests.slice(start, start + LEASES_A_READ);
    const success = part.flatMap(({ id }) => readId(keys, id));
    reads.push(
      connection.read({ success }).then(({ responses }) => {
        for (const [index, { id }] of part.entries()) {
          found.set(id, foundIn(responses.slice(2 * index), id));
        }
      }),
    );
  }
  await Promise.all(reads);
  return found;
}
