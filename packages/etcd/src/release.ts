/** Ending leases, for their own agent or for another one. One transaction each. */
import { owns, type ReleaseRequest, type ReleaseResult, wholeBatch } from "@lease/core/backend";
import { type Context, type Held, seconds } from "./context.js";
import { isNoSpace } from "./errors.js";
import type { MemoryLease } from "./etcd-leases.js";
import type { FoundLease } from "./model.js";
import { encodeLease, encodeMemory } from "./record.js";
import { type Found, foundIn, readId } from "./snapshot.js";
import { isMissing, isWrittenAt, put } from "./txn.js";
import { AGAIN, type Ending, endLease, endLeaseWithoutSpace, giveUp, writeOn } from "./writing.js";

type Tried = ReleaseResult | typeof AGAIN;

type Revoke = ReleaseRequest & { readonly kind: "revoke" };

/** Releases a batch. Requests for one id are answered one after the other, those for different ids together. */
export function release(context: Context, requests: readonly ReleaseRequest[]): Promise<ReleaseResult[]> {
  const last = new Map<string, Promise<unknown>>();
  return wholeBatch(
    requests.map((request) => {
      const before = last.get(request.id) ?? Promise.resolve();
      const answer = before.then(() => releaseOne(context, request));
      last.set(request.id, answer);
      return answer;
    }),
  );
}

async function releaseOne(context: Context, request: ReleaseRequest): Promise<ReleaseResult> {
  // What this client granted itself it need not read: who owns it, what it claims and its token never change.
  const held = context.cache.held(request.id);
  if (request.kind !== "revoke" && held !== undefined && owns(request, held)) {
    const tried = await end(context, held, endingOf(request, "active"));
    if (tried !== AGAIN) return tried;
  }
  for (;;) {
    const { responses } = await context.connection.read({ success: readId(context.keys, request.id) });
    const tried = await onFound(context, request, foundIn(responses, request.id));
    if (tried !== AGAIN) return tried;
  }
}

async function onFound(context: Context, request: ReleaseRequest, { lease, memory }: Found): Promise<Tried> {
  if (lease === null) {
    context.cache.forget(request.id);
    if (request.kind === "revoke") return { status: "not-found" };
    if (memory !== null && memory.agentId !== request.agentId) return { status: "not-owner" };
    if (request.kind === "abandon" && memory === null) return buryUnknown(context, request);
    return { status: "not-found" };
  }
  if (request.kind === "revoke") {
    return lease.state === "active" && request.graceMs > 0
      ? revokeSoftly(context, request, lease)
      : end(context, lease, { end: "revoked", by: request.by, reason: request.reason });
  }
  if (!owns(request, lease)) return { status: "not-owner" };
  return end(context, lease, endingOf(request, lease.state));
}

function endingOf({ kind }: ReleaseRequest, state: FoundLease["state"]): Ending {
  return { end: state === "pending" ? "cancelled" : "released", isRemembered: kind === "abandon" };
}

/** Ends what has this token, pending or active. */
async function end(context: Context, lease: FoundLease | Held, ending: Ending): Promise<Tried> {
  const { keys, leases, cache } = context;
  const isRemembered = ending.end === "revoked" || ending.isRemembered;
  let memory: MemoryLease | undefined;
  const answer = await (async () => {
    if (isRemembered) memory = await leases.memory(0);
    return await writeOn(context, endLease(keys, lease, ending, memory?.id));
  })().catch((error: { cause?: unknown }) => {
    if (!isNoSpace(error.cause)) throw error;
    return writeOn(context, endLeaseWithoutSpace(keys, lease, ending));
  });
  if (answer === AGAIN) return AGAIN;
  const before = cache.memory(lease.id);
  cache.forget(lease.id);
  if (!answer.succeeded) {
    if (memory !== undefined) leases.forget(memory);
    return AGAIN;
  }
  if (before !== undefined) leases.forget(before);
  const { etcdLease } = lease;
  giveUp(context, typeof etcdLease === "string" ? etcdLease : etcdLease.id);
  return { status: ending.end };
}

async function buryUnknown(
  context: Context,
  request: ReleaseRequest & { readonly kind: "abandon" },
): Promise<Tried> {
  const { keys, leases } = context;
  const memory = await leases.memory(0);
  const key = keys.memory(request.id);
  const value = encodeMemory({ agentId: request.agentId, end: "cancelled" });
  const answer = await writeOn(context, { compare: [isMissing(key)], success: [put(key, value, memory.id)] });
  if (answer === AGAIN) return AGAIN;
  if (answer.succeeded) return { status: "not-found" };
  leases.forget(memory);
  return AGAIN;
}

/** Starts a grace, or shortens the one that runs. */
async function revokeSoftly(context: Context, request: Revoke, lease: FoundLease): Promise<Tried> {
  const { keys, leases } = context;
  const { id, agentId, revoking } = lease;
  if (revoking !== null) {
    const left = await leases.remaining(revoking.graceLease);
    // Compared in whole seconds: etcd does not answer more exactly.
    if (left < 0 || request.graceMs >= left * 1000) return { status: "revoking" };
  }
  const [graceLease, left, memory] = await Promise.all([
    leases.grace(request.graceMs),
    leases.remaining(lease.etcdLease),
    leases.memory(Math.max(lease.memoryS, seconds(lease.ttlMs))),
  ]);
  const { by, reason, graceMs } = request;
  const record = {
    ...lease,
    revoking: { by, reason, graceMs, graceLease },
    wall: Date.now(),
    leftMs: Math.max(0, left - 1) * 1000,
    event: "revoking" as const,
  };
  const answer = await writeOn(context, {
    compare: [isWrittenAt(keys.record(id), lease.revision)],
    success: [
      put(keys.record(id), encodeLease(record), lease.etcdLease),
      put(keys.memory(id), encodeMemory({ agentId, by, reason }), memory.id),
    ],
  });
  if (answer !== AGAIN && answer.succeeded) return { status: "revoking" };
  if (answer !== AGAIN) leases.forget(memory);
  return AGAIN;
}
