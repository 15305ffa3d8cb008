/**
 * The errors of leases that are over, in the same words for the holder, for who asks with a used id, and over HTTP.
 */
import type { AcquireResult } from "../backend/backend.js";
import { LeaseError, type LossCause } from "../errors.js";

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
  const why = reason === null ? "" : ` (${reason})`;
  const message =
    end === "revoked"
      ? `${by ?? "Somebody"} revoked this request${why}. Next: ask again, with a new id, only once that is resolved.`
      : `The id ${leaseId} has had its life, it ${end === "expired" ? "ran out" : `was ${end}`}. Next: ask with a new id.`;
  return new LeaseError("LEASE_LOST", message, { leaseId, how: end, by, reason });
}

/** The error of a renewal that was not agreed on. */
export function limitReached(leaseId: string, maxRenewals: number | null): LeaseError<"LEASE_RENEWAL_LIMIT"> {
  const message = `The lease ${leaseId} was to be renewed at most ${maxRenewals} times, and was. Next: finish before it runs out, or release it and ask anew.`;
  return new LeaseError("LEASE_RENEWAL_LIMIT", message, { leaseId, maxRenewals });
}

function lossMessage({ leaseId: id, how, by = null, reason = null }: Loss): string {
  const why = reason === null ? "" : ` (${reason})`;
  switch (how) {
    case "deadline":
      return `The lease ${id} could not be confirmed before its deadline: stop the work it protected.`;
    case "expired":
      return `The lease ${id} ran out before it was renewed: stop the work it protected.`;
    case "revoked":
      return `${by ?? "Somebody"} revoked the lease ${id}${why}: stop the work it protected.`;
    case "suspect":
      return `The machine slept past the deadline of the lease ${id}, and nothing has confirmed it since: wait for a renewal before going on.`;
    case "max-hold":
      return `The lease ${id} was held for as long as maxHoldMs allows: stop the work it protected, or ask anew.`;
    case "released":
    case "cancelled":
      return `The lease ${id} was ${how} by its agent before.`;
    case "not-found":
      return `The backend no longer knows the lease ${id} as ours; its data may have been lost: stop the work it protected.`;
  }
}
