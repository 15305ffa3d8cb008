/** What a backend answers about one lease, as an answer or an error. */
import { type Lease, LeaseError, limitReached, lost } from "@lease/core";
import type { ReleaseResult, RenewResult } from "@lease/core/backend";

/** The lease, and whether the renewal repeats an earlier one. @throws the error of any other answer */
export function renewedLease(leaseId: string, result: RenewResult): Lease & { readonly repeated: boolean } {
  switch (result.status) {
    case "renewed":
      return { ...result.lease, repeated: result.repeated };
    case "out-of-order": {
      const { renewals } = result.lease;
      throw new LeaseError(
        "RENEWAL_OUT_OF_ORDER",
        `This renewal skips a count, so it extended nothing: the lease ${leaseId} has ${renewals} counted. Next: send renewal ${renewals + 1}.`,
        { leaseId, renewals },
      );
    }
    case "not-owner":
      throw notOwner(leaseId);
    case "not-found":
      throw notFound(leaseId);
    case "pending":
      throw new LeaseError(
        "INVALID_ARGUMENT",
        "id names a request that is still queued: there is nothing to renew. Next: PUT it again, which keeps its place.",
        { field: "id" },
      );
    case "renewal-limit":
      throw limitReached(leaseId, result.maxRenewals);
    case "expired":
      throw lost({ leaseId, how: "expired" });
    case "revoked":
      throw lost({ leaseId, how: "revoked", by: result.by, reason: result.reason });
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
