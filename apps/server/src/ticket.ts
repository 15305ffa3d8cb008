/** `wait: "queue"`: a place in line that outlives any one call. Asking again is its heartbeat. */
import { deadlock, endedBefore, findDeadlock, type LeaseBackend } from "@lease/core";
import type { AcquireResult } from "@lease/core/backend";
import type { Ask, Granted } from "./line.js";

export type Ticket = AcquireResult & { status: "refused" };

/**
 * Asks once and stays in line if refused.
 *
 * @throws `LEASE_DEADLOCK`, with the request withdrawn, when waiting could never end; `LEASE_LOST` for an ended id
 */
export async function askWithTicket(backend: LeaseBackend, ask: Ask): Promise<Granted | Ticket> {
  const result = await backend.acquire({ ...ask, wait: "queue" });
  if (result.status === "ended") throw endedBefore(ask.id, result);
  if (result.status === "granted") return result;
  // Looked for at every question: the server does not know whether the answer to the first one arrived.
  const cycle = result.lease && (await findDeadlock(backend, result.lease));
  if (cycle !== null) {
    await backend.release([
      { kind: "release", id: ask.id, agentId: ask.agentId, token: result.lease?.token },
    ]);
    throw deadlock(cycle);
  }
  return result;
}
