/** What went wrong, in the words of the contract: whether it was surely not done, perhaps done, or cannot be done here. */
import { LEASE_ERROR_CODES, LeaseError, type LeaseErrorCode } from "@lease/core";
import { NotSent } from "./transport.js";

/** A problem document of the server (RFC 9457), with `code` and the details of the code as further members. */
export interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly [detail: string]: unknown;
}

const OF_THE_DOCUMENT: ReadonlySet<string> = new Set([
  "type",
  "title",
  "status",
  "detail",
  "instance",
  "code",
]);

/** Of a call that got no answer. */
export function unanswered(error: unknown, origin: URL): LeaseError {
  if (error instanceof LeaseError) return error;
  if (error instanceof NotSent) {
    return new LeaseError(
      "BACKEND_UNAVAILABLE",
      `The Lease server ${origin.host} cannot be reached (${error.message}); nothing was sent.`,
      undefined,
      { cause: error.cause },
    );
  }
  return new LeaseError(
    "OUTCOME_UNKNOWN",
    "The Lease server did not answer: it may or may not have done what was asked. Ask again with the same id.",
    undefined,
    { cause: error },
  );
}

/** Of an answer that is no success. */
export function refused(status: number, problem: Problem | null): LeaseError {
  if (problem !== null) return errorOf(problem);
  if (status >= 300 && status < 400)
    return unusable("it redirects, and a token is never sent on to another address");
  if (status >= 400 && status < 500)
    return unusable(`it answers ${status}, which is not a Lease server's way`);
  return new LeaseError(
    "OUTCOME_UNKNOWN",
    `Something between here and the Lease server answered ${status}: what was asked may or may not have been done. Ask again with the same id.`,
  );
}

/** The error that the server had, or what its own words mean here. */
export function errorOf(problem: Problem): LeaseError {
  const { code, detail } = problem;
  switch (code) {
    // The server ends, not this backend.
    case "CLOSED":
    case "BACKEND_UNAVAILABLE":
    case "REQUEST_TIMEOUT":
    case "OVERLOADED":
      return new LeaseError("BACKEND_UNAVAILABLE", detail);
    case "INTERNAL":
      return new LeaseError("OUTCOME_UNKNOWN", detail);
  }
  if (!(code in LEASE_ERROR_CODES)) return unusable(`it answers ${code}: ${detail}`);
  const details = Object.fromEntries(Object.entries(problem).filter(([name]) => !OF_THE_DOCUMENT.has(name)));
  return new LeaseError(code as LeaseErrorCode, detail, details as never);
}

export function unusable(why: string): LeaseError<"BACKEND_INCOMPATIBLE"> {
  return new LeaseError("BACKEND_INCOMPATIBLE", `This Lease server cannot be used: ${why}.`);
}
