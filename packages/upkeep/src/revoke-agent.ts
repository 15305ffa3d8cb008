/**
 * Revoking everything that an agent has: a listing and a batch, not one atomic step. What the agent acquires while it
 * runs may escape it, so it lists again until it finds nothing.
 */
import { type Lease, type LeaseBackend, listAll } from "@lease/core";
import { checkOptions, checkRevoke } from "@lease/core/backend";

/** In whose name, why, and with how much grace. */
export interface RevokeOptions {
  /** The agent that revokes: recorded in the history and reported to the holder. */
  readonly by: string;
  readonly reason?: string | undefined;
  /** 0, the default, ends leases at once; more lets active ones be renewed for that long and then run out. */
  readonly graceMs?: number | undefined;
}

/** Stops after this many listings, should the agent acquire faster than it is revoked. */
const MAX_ROUNDS = 10;

/**
 * Revokes all live leases and requests of an agent.
 *
 * @returns those that were live and now are revoked (or, with a grace, are being revoked)
 * @throws `INVALID_ARGUMENT` naming the option; what the backend throws
 */
export async function revokeAgent(
  backend: LeaseBackend,
  agentId: string,
  options: RevokeOptions,
): Promise<Lease[]> {
  checkOptions(options, ["by", "reason", "graceMs"]);
  const { by, reason = null, graceMs = 0 } = options;
  // Also where there is nothing to revoke.
  checkRevoke({ by, reason, graceMs }, "");
  const revoked: Lease[] = [];
  const done = new Set<string>();
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const leases = (await listAll(backend, { agentId })).filter((lease) => !done.has(lease.id));
    if (leases.length === 0) break;
    const results = await backend.release(
      leases.map(({ id }) => ({ kind: "revoke", id, by, reason, graceMs }) as const),
    );
    for (const [index, lease] of leases.entries()) {
      done.add(lease.id);
      const status = results[index]?.status;
      if (status === "revoked" || status === "revoking") revoked.push(lease);
    }
  }
  return revoked;
}
