/**
 * The errors of leases that are over, in the same words for the holder, for a request with a used id, and over HTTP.
 */
import type { AcquireResult } from "../backend/backend.js";
import { LeaseError, type LossCause } from "../errors.js";
import { agentName, quoted } from "../text.js";

/** How a lease was lost. */
export interface Loss {
  readonly leaseId: string;
  readonly how: LossCause;
  readonly by?: string | null;
  readonly reason?: string | null;
  /** The last error of the backend, where that is why nothing was confirmed. */
  readonly cause?: unknown;
}

/** The error of a lease that is no longer held. */
export function lost(loss: Loss): LeaseError<"LEASE_LOST"> {
  const { leaseId, how, by = null, reason = null, cause } = loss;
  const options = cause === undefined ? {} : { cause };
  return new LeaseError("LEASE_LOST", lossMessage(loss), { leaseId, how, by, reason }, options);
}

/** The error of an id that was asked for after its one life. */
export function endedBefore(
  leaseId: string,
  { end, by, reason }: Extract<AcquireResult, { status: "ended" }>,
): LeaseError<"LEASE_LOST"> {
  const message =
    end === "revoked"
      ? `${revoker(by)} revoked this request${because(reason)}. Next: request again, with a new id, only once that is resolved.`
      : `Lease id ${leaseId} has already been used and ${end === "expired" ? "expired" : `was ${end}`}. Next: request again with a new id.`;
  return new LeaseError("LEASE_LOST", message, { leaseId, how: end, by, reason });
}

/** The error of a renewal beyond `maxRenewals`. */
export function limitReached(leaseId: string, maxRenewals: number | null): LeaseError<"LEASE_RENEWAL_LIMIT"> {
  const message = `The lease ${leaseId} has used all ${maxRenewals} of its renewals. Next: finish before it expires, or release it and acquire it again.`;
  return new LeaseError("LEASE_RENEWAL_LIMIT", message, { leaseId, maxRenewals });
}

function lossMessage({ leaseId: id, how, by = null, reason = null }: Loss): string {
  switch (how) {
    case "deadline":
      return `The lease ${id} could not be confirmed before its deadline: stop the work it protected.`;
    case "expired":
      return `The lease ${id} expired before it was renewed: stop the work it protected.`;
    case "revoked":
      return `${revoker(by)} revoked the lease ${id}${because(reason)}: stop the work it protected.`;
    case "suspect":
      return `The machine slept past the deadline of the lease ${id}, and nothing has confirmed it since: wait for a renewal before going on.`;
    case "max-hold":
      return `The lease ${id} was held for as long as maxHoldMs allows: stop the work it protected, or acquire it again.`;
    case "released":
    case "cancelled":
      return `The lease ${id} was ${how} by its agent before.`;
    case "not-found":
      return `The backend has no record that we hold the lease ${id}; it may have lost data. Stop the work the lease protected.`;
  }
}

function revoker(by: string | null): string {
  return by === null ? "Another agent" : agentName(by);
}

function because(reason: string | null): string {
  return reason === null ? "" : ` (reason: ${quoted(reason)})`;
}
