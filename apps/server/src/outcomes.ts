/** What a backend answers about one lease, as an answer or an error. */
import {
  type AcquireResult,
  type Lease,
  LeaseError,
  type ReleaseResult,
  type RenewResult,
} from "@lease/core";

/** The error of an id that has had its life. */
export function endedError(
  leaseId: string,
  { end, by, reason }: AcquireResult & { status: "ended" },
): LeaseError<"LEASE_LOST"> {
  const how = end === "expired" ? "ran out" : end === "revoked" ? revokedBy(by, reason) : `was ${end}`;
  const message = `The lease ${leaseId} ${how}, and an id has one life. Next: ask with a new id.`;
  return new LeaseError("LEASE_LOST", message, { leaseId, how: end, by, reason });
}

/** The renewed lease. @throws the error of any other answer */
export function renewedLease(leaseId: string, result: RenewResult): Lease {
  switch (result.status) {
    case "renewed":
      return result.lease;
    case "not-owner":
      throw notOwner(leaseId);
    case "not-found":
      throw notFound(leaseId);
    case "pending":
      throw new LeaseError(
        "INVALID_ARGUMENT",
        "id names a request that is still in line: there is nothing to renew. Next: PUT it again, which keeps its place.",
        { field: "id" },
      );
    case "renewal-limit": {
      const { maxRenewals } = result;
      const message = `The lease ${leaseId} was to be renewed at most ${maxRenewals} times, and was. Next: finish before it runs out, or ask anew.`;
      throw new LeaseError("LEASE_RENEWAL_LIMIT", message, { leaseId, maxRenewals });
    }
    case "expired": {
      const message = `The lease ${leaseId} ran out before it was renewed. Next: stop the work it protected.`;
      throw new LeaseError("LEASE_LOST", message, { leaseId, how: "expired", by: null, reason: null });
    }
    case "revoked": {
      const { by, reason } = result;
      const message = `The lease ${leaseId} ${revokedBy(by, reason)}. Next: stop the work it protected.`;
      throw new LeaseError("LEASE_LOST", message, { leaseId, how: "revoked", by, reason });
    }
  }
}

/** What a release or revoke did. @throws `LEASE_NOT_OWNER` */
export function releaseOutcome(leaseId: string, { status }: ReleaseResult) {
  if (status === "not-owner") throw notOwner(leaseId);
  return { result: status };
}

export function notFound(leaseId: string): LeaseError<"LEASE_NOT_FOUND"> {
  return new LeaseError("LEASE_NOT_FOUND", `No live lease has the id ${leaseId}. The history may know it.`, {
    leaseId,
  });
}

function notOwner(leaseId: string): LeaseError<"LEASE_NOT_OWNER"> {
  const message = `The lease ${leaseId} belongs to another agent, or the token is not this lease's.`;
  return new LeaseError("LEASE_NOT_OWNER", message, { leaseId });
}

function revokedBy(by: string | null, reason: string | null): string {
  return `was revoked by ${by ?? "somebody"}${reason === null ? "" : ` (${reason})`}`;
}
