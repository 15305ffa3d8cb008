/** What went wrong, in the words of the contract: whether it was surely not done, perhaps done, or cannot be done here. */
import { LeaseError } from "@lease/core";

/** SQLSTATEs after which nothing was done and the same call may go through. */
const PASSING: ReadonlySet<string> = new Set([
  "40001", // serialization_failure: the database's default isolation is stricter than READ COMMITTED
  "40P01", // deadlock_detected
  "55P03", // lock_not_available: a lock_timeout of the role or database
  "57014", // query_canceled: a statement_timeout of the role or database
  "57P03", // cannot_connect_now
  "25006", // read_only_sql_transaction: a standby, or a primary that was made read-only
  "53300", // too_many_connections
]);

/** SQLSTATEs that need a person, and what that person can do. */
const LASTING: Readonly<Record<string, string>> = Object.freeze({
  "28000": "the server refuses this user: check the user and pg_hba.conf",
  "28P01": "the server refuses this password",
  "3D000": "the database does not exist: create it, or correct its name in the URL",
  "3F000": "the schema is missing: let the backend migrate, or run what schemaSql() returns",
  "42P01": "a table of the backend is missing: let the backend migrate, or run what schemaSql() returns",
  "42704": "a type of the backend is missing: let the backend migrate, or run what schemaSql() returns",
  "42883": "a function of the backend is missing: let the backend migrate, or run what schemaSql() returns",
  "42501":
    "this user lacks a permission on the schema of the backend: grant it USAGE, EXECUTE and the tables",
});

/** A server error has a code of five characters. */
function sqlState(error: unknown): string | null {
  const { code, severity } = error as { readonly code?: unknown; readonly severity?: unknown };
  return severity !== undefined && typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : null;
}

/** Whether the same call may be made again at once: the transaction was surely taken back. */
export function isTransient(error: unknown): boolean {
  const code = sqlState(error);
  return code === "40001" || code === "40P01";
}

/** Whether the connection is of no further use. */
export function isBroken(error: unknown): boolean {
  const code = sqlState(error);
  return code === null || code.startsWith("57P") || code.startsWith("08") || code === "25006";
}

/** Of a call that was not sent: connecting failed, or there was no time left. */
export function notSent(error: unknown): LeaseError {
  if (error instanceof LeaseError) return error;
  const code = sqlState(error);
  const lasting = code === null ? undefined : LASTING[code];
  if (lasting !== undefined) {
    return new LeaseError("BACKEND_INCOMPATIBLE", `Nothing was sent: ${lasting}.`, undefined, {
      cause: error,
    });
  }
  const why = error instanceof Error && error.message !== "" ? ` (${error.message})` : "";
  return new LeaseError(
    "BACKEND_UNAVAILABLE",
    `Postgres cannot be reached${why}; nothing was sent.`,
    undefined,
    error === undefined ? undefined : { cause: error },
  );
}

/** Of a call that was sent. */
export function afterSending(error: unknown): LeaseError {
  if (error instanceof LeaseError) return error;
  const code = sqlState(error);
  const message = (error as Error).message;
  // The server may end a connection after the commit: 57P01, 57P02, 57P05.
  if (code === null || /^(57P0[125]|08)/.test(code)) return outcomeUnknown(error);
  const lasting = LASTING[code];
  if (lasting !== undefined) {
    return new LeaseError("BACKEND_INCOMPATIBLE", `Nothing was done: ${lasting}.`, undefined, {
      cause: error,
    });
  }
  if (PASSING.has(code)) {
    return new LeaseError("BACKEND_UNAVAILABLE", `Nothing was done: ${message}.`, undefined, {
      cause: error,
    });
  }
  if (code.startsWith("53")) {
    return new LeaseError(
      "BACKEND_FULL",
      `Postgres has no room left (${message}): free some, or sweep with a shorter historyRetentionMs.`,
      undefined,
      { cause: error },
    );
  }
  return new LeaseError(
    "BACKEND_CORRUPT",
    `The step function failed: ${message}. Other software may have changed the tables of the backend.`,
    undefined,
    { cause: error },
  );
}

/** Sent, and never answered. */
export function outcomeUnknown(cause: unknown): LeaseError<"OUTCOME_UNKNOWN"> {
  return new LeaseError(
    "OUTCOME_UNKNOWN",
    "Postgres did not answer: it may or may not have done what was asked. Ask again with the same id.",
    undefined,
    cause === undefined ? undefined : { cause },
  );
}
