/** A request that outlives the call that made it, over any backend: what the tickets of the server are made of. */
import type { AcquireResult, LeaseBackend } from "../backend/backend.js";
import { deadlock, findDeadlock } from "./deadlock.js";
import { endedBefore } from "./losses.js";
import type { Asking } from "./wait.js";

/**
 * Requests a lease once, and stays queued if refused. The same request again is the heartbeat (one each third of
 * `waitTtlMs` is good) and asks whether it is its turn; `backend.turn` says when that may pay.
 *
 * @throws `LEASE_DEADLOCK`, with the request withdrawn, when waiting could never end; `LEASE_LOST` for an id that has
 * ended; the backend's own errors
 */
export async function queueForLease(
  backend: Pick<LeaseBackend, "acquire" | "list" | "release">,
  request: Asking,
): Promise<Exclude<AcquireResult, { status: "ended" }>> {
  const { id, agentId } = request;
  const result = await backend.acquire({ ...request, wait: "queue" });
  if (result.status === "ended") throw endedBefore(id, result);
  if (result.status === "granted") return result;
  // Looked for at every request: the answer to the first one may never have arrived.
  const cycle = result.lease && (await findDeadlock(backend, result.lease));
  if (cycle !== null) {
    await backend.release([{ kind: "release", id, agentId, token: result.lease?.token }]);
    throw deadlock(cycle);
  }
  return result;
}
