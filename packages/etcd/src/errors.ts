/** From errors of etcd and gRPC to those that a caller gets. */
import { isLeaseError, LeaseError } from "@lease/core";
import {
  ClientClosedError,
  EtcdAuthenticationFailedError,
  EtcdInvalidAuthTokenError,
  EtcdLeaseInvalidError,
  EtcdPermissionDeniedError,
  GRPCFailedPreconditionError,
  GRPCInvalidArgumentError,
  GRPCOutOfRangeError,
  GRPCResourceExhastedError,
  GRPCUnauthenticatedError,
  GRPCUnavailableError,
} from "etcd3";

/** What a failed call means for what it asked for. */
export type Failure =
  /** etcd answered, and did nothing. Asking another member is no use. */
  | "refused"
  /** The call never left, or etcd turned it away: another member may take it. */
  | "unapplied"
  /** Nobody knows. */
  | "unknown";

export function failureOf(error: unknown): Failure {
  if (error instanceof EtcdLeaseInvalidError || isLeaseError(error)) return "refused";
  if (error instanceof GRPCUnavailableError) {
    return /No connection established|Name resolution failed|no leader|not capable/i.test(error.message)
      ? "unapplied"
      : "unknown";
  }
  if (error instanceof ClientClosedError || error instanceof EtcdInvalidAuthTokenError) return "unapplied";
  const isAnswer =
    isRefusal(error) ||
    error instanceof GRPCResourceExhastedError ||
    error instanceof GRPCFailedPreconditionError ||
    error instanceof GRPCOutOfRangeError;
  return isAnswer ? "refused" : "unknown";
}

/** An etcd lease that a transaction named is gone; nothing was applied. */
export function isLeaseGone(error: unknown): boolean {
  return error instanceof EtcdLeaseInvalidError;
}

/** The NOSPACE alarm: puts fail, reads, deletes and keep-alives work. */
export function isNoSpace(error: unknown): boolean {
  return error instanceof GRPCResourceExhastedError && /space exceeded/i.test(error.message);
}

/** A revision that was compacted away. */
export function isCompacted(error: unknown): boolean {
  return error instanceof GRPCOutOfRangeError && /compacted/i.test(error.message);
}

/** The error that a caller gets. One that is neither etcd's nor gRPC's, a bug for instance, stays as it is. */
export function toLeaseError(error: unknown, failure: Failure): unknown {
  if (isLeaseError(error) || !isOfEtcd(error)) return error;
  const said = (error as Error).message.replace(/\s+/g, " ").slice(0, 300);
  if (isNoSpace(error)) return failed("BACKEND_FULL", NO_SPACE, error);
  if (isRefusal(error)) return failed("BACKEND_INCOMPATIBLE", `${REFUSED}: ${said}`, error);
  return failure === "unknown"
    ? failed(
        "OUTCOME_UNKNOWN",
        `etcd may or may not have applied this (${said}): ask again with the same id.`,
        error,
      )
    : failed("BACKEND_UNAVAILABLE", `etcd cannot be used at present: ${said}`, error);
}

const NO_SPACE =
  "etcd has no space left (alarm NOSPACE): compact and defragment it, raise its quota, then disarm the alarm.";
const REFUSED = "etcd refuses this client or its request";

type Code = "BACKEND_FULL" | "BACKEND_INCOMPATIBLE" | "BACKEND_UNAVAILABLE" | "OUTCOME_UNKNOWN";

function failed(code: Code, message: string, cause: unknown): LeaseError {
  return new LeaseError(code, message, undefined, { cause });
}

/** Asking again, or another member, is no use. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof EtcdPermissionDeniedError ||
    error instanceof EtcdAuthenticationFailedError ||
    error instanceof GRPCUnauthenticatedError ||
    error instanceof GRPCInvalidArgumentError
  );
}

/** etcd ended a watch for a reason that asking again does not change. */
export function refused(reason: string): LeaseError<"BACKEND_INCOMPATIBLE"> {
  return new LeaseError("BACKEND_INCOMPATIBLE", `${REFUSED}: ${reason}`);
}

/** What an error is once an earlier step of the same call was applied: it does not mean any more that nothing was. */
export function perhapsApplied(
  error: unknown,
  message = "etcd may have applied a part of this: ask again with the same ids.",
): unknown {
  if (!isLeaseError(error, "BACKEND_UNAVAILABLE", "BACKEND_FULL")) return error;
  return new LeaseError("OUTCOME_UNKNOWN", message, undefined, { cause: error });
}

/** All steps of a call together took too long. Some of them may have been applied. */
export function tooSlow(): LeaseError {
  return new LeaseError("OUTCOME_UNKNOWN", "etcd answers too slowly: ask again with the same id.");
}

/** The same for what only reads. */
export function tooSlowToRead(): LeaseError {
  return new LeaseError("BACKEND_UNAVAILABLE", "etcd answers too slowly: ask again, or for less.");
}

/** A reading that has an end does not get there. */
export function silent(): LeaseError<"BACKEND_UNAVAILABLE"> {
  return new LeaseError(
    "BACKEND_UNAVAILABLE",
    "etcd stopped in the middle of the history: read on from the last cursor.",
  );
}

/** The library has no common base class; its errors of the wire are named after gRPC or etcd. */
function isOfEtcd(error: unknown): boolean {
  return error instanceof Error && /^(?:GRPC|Etcd|Client)/.test(error.constructor.name);
}
