/** From what SQLite says to what a caller is told. */
import { basename } from "node:path";
import { isLeaseError, LeaseError } from "@lease/core";

/** How far a call had come. After a failed commit nobody knows whether it was applied. */
export type Phase = "before" | "commit";

/** Another connection was faster: the same again, a little later, can succeed. */
export function isBusy(error: unknown): boolean {
  return /^SQLITE_(?:BUSY|LOCKED|PROTOCOL)/.test(sqliteCode(error));
}

/** A transaction in a journal of the old kind was never finished, and whoever only reads cannot undo it. */
export function isHotJournal(error: unknown): boolean {
  return sqliteCode(error) === "SQLITE_READONLY_ROLLBACK";
}

/** There was no room for a write. */
export function isFull(error: unknown): boolean {
  return /^SQLITE_(?:FULL|IOERR_SHMSIZE)$/.test(sqliteCode(error));
}

/** What a caller is told of a failure. An error that is not SQLite's, a bug for instance, stays as it is. */
export function toLeaseError(error: unknown, path: string, phase: Phase): unknown {
  if (isLeaseError(error)) return error;
  const code = sqliteCode(error) || systemCode(error);
  if (code === "") return error;
  const file = JSON.stringify(path);
  const cause = { cause: error };
  const said = `${(error as Error).message} (${code})`;
  const is = (prefix: string) => code.startsWith(`SQLITE_${prefix}`);

  if (isFull(error)) return full(path, error);
  if (is("NOTADB")) {
    return new LeaseError(
      "BACKEND_CORRUPT",
      `${file} is not an SQLite database; it was not touched. Choose another path, or move the file away.`,
      undefined,
      cause,
    );
  }
  if (is("CORRUPT") || is("CONSTRAINT") || is("MISMATCH") || code === "SQLITE_ERROR") {
    return new LeaseError(
      "BACKEND_CORRUPT",
      `The lease database ${file} is damaged: ${said}. Restore it from a backup, or move it away and start anew.`,
      undefined,
      cause,
    );
  }
  if (isHotJournal(error)) {
    return new LeaseError(
      "BACKEND_UNAVAILABLE",
      `${file} holds an unfinished transaction of another program: let that program recover it first.`,
      undefined,
      cause,
    );
  }
  if (is("READONLY")) {
    return new LeaseError(
      "BACKEND_UNAVAILABLE",
      `The lease database ${file} is read-only for this process: it needs to write the file and its folder.`,
      undefined,
      cause,
    );
  }
  if (is("BUSY") || is("LOCKED") || is("PROTOCOL")) {
    return new LeaseError(
      "BACKEND_UNAVAILABLE",
      `The lease database ${file} stayed locked by another connection. Does one hold a transaction open?`,
      undefined,
      cause,
    );
  }
  if (phase === "commit") {
    return new LeaseError(
      "OUTCOME_UNKNOWN",
      `Committing to ${file} failed (${said}): it may or may not survive a restart. Ask again with the same id.`,
      undefined,
      cause,
    );
  }
  if (is("CANTOPEN") || is("PERM") || is("AUTH")) {
    return new LeaseError(
      "BACKEND_UNAVAILABLE",
      `The lease database ${file} cannot be opened: ${said}. It and its folder must be writable for this process.`,
      undefined,
      cause,
    );
  }
  return new LeaseError(
    "BACKEND_UNAVAILABLE",
    `The lease database ${file} cannot be used at present: ${said}.`,
    undefined,
    cause,
  );
}

function sqliteCode(error: unknown): string {
  const code: unknown = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && code.startsWith("SQLITE_") ? code : "";
}

/** Of a failed system call, such as a folder that may not be searched. */
function systemCode(error: unknown): string {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  return typeof syscall === "string" ? String(code) : "";
}

/** There is no room for a new lease. */
export function full(path: string, error?: unknown): LeaseError<"BACKEND_FULL"> {
  return new LeaseError(
    "BACKEND_FULL",
    `There is no room left for ${JSON.stringify(path)} and the 4 MiB beside it (${basename(path)}-reserve): free space on its disk, or sweep with a shorter historyRetentionMs.`,
    undefined,
    error === undefined ? undefined : { cause: error },
  );
}
