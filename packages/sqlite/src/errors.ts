/** What failures of SQLite and of the file system are reported as. */
import { basename } from "node:path";
import { LeaseError, type LeaseErrorCode } from "@lease/core";

/** How far a call had come. After a failed commit it is unknown whether it was applied. */
export type Phase = "before" | "commit";

const BUSY = /^SQLITE_(?:BUSY|LOCKED|PROTOCOL)/;
const HOT_JOURNAL = /^SQLITE_READONLY_ROLLBACK$/;
const FULL = /^(?:SQLITE_FULL|SQLITE_IOERR_SHMSIZE|ENOSPC|EDQUOT)$/;

/** Another connection was faster: the same again, a little later, can succeed. */
export function isBusy(error: unknown): boolean {
  return BUSY.test(codeOf(error));
}

/** A transaction in a journal of the old kind was never finished, and a connection that only reads cannot undo it. */
export function isHotJournal(error: unknown): boolean {
  return HOT_JOURNAL.test(codeOf(error));
}

/** There was no room for a write. */
export function isFull(error: unknown): boolean {
  return FULL.test(codeOf(error));
}

interface Failure {
  /** The code of SQLite, or of the system call. */
  readonly code: RegExp;
  readonly in?: Phase;
  readonly as: LeaseErrorCode;
  readonly sentence: (file: string, said: string) => string;
}

/** The first that matches counts. */
const FAILURES: readonly Failure[] = [
  {
    code: /^SQLITE_NOTADB/,
    as: "BACKEND_CORRUPT",
    sentence: (file) =>
      `${file} is not an SQLite database; it was not touched. Choose another path, or move the file away.`,
  },
  {
    code: /^SQLITE_(?:CORRUPT|CONSTRAINT|MISMATCH|ERROR$)/,
    as: "BACKEND_CORRUPT",
    sentence: (file, said) =>
      `The lease database ${file} is damaged: ${said}. Restore it from a backup, or move it away to start with an empty one.`,
  },
  {
    code: HOT_JOURNAL,
    as: "BACKEND_UNAVAILABLE",
    sentence: (file) =>
      `${file} holds an unfinished transaction of another program: let that program recover it first.`,
  },
  {
    code: /^SQLITE_READONLY/,
    as: "BACKEND_UNAVAILABLE",
    sentence: (file) =>
      `The lease database ${file} is read-only for this process: it must be able to write the file and its folder.`,
  },
  {
    code: BUSY,
    as: "BACKEND_UNAVAILABLE",
    sentence: (file) =>
      `The lease database ${file} stayed locked by another connection. Does one hold a transaction open?`,
  },
  {
    code: /./,
    in: "commit",
    as: "OUTCOME_UNKNOWN",
    sentence: (file, said) =>
      `Committing to ${file} failed (${said}): it may or may not survive a restart. Ask again with the same id.`,
  },
  {
    code: /^(?:SQLITE_(?:CANTOPEN|PERM|AUTH)|EACCES|EPERM|EROFS)/,
    as: "BACKEND_UNAVAILABLE",
    sentence: (file, said) =>
      `The lease database ${file} cannot be opened: ${said}. It and its folder must be writable for this process.`,
  },
  {
    code: /./,
    as: "BACKEND_UNAVAILABLE",
    sentence: (file, said) => `The lease database ${file} cannot be used at present: ${said}.`,
  },
];

/** What a failure is reported as. An error of neither SQLite nor the system, a bug for instance, stays as it is. */
export function toLeaseError(error: unknown, path: string, phase: Phase): unknown {
  const code = codeOf(error);
  if (isFull(error)) return full(path, error);
  const failure = FAILURES.find((each) => each.code.test(code) && (each.in ?? phase) === phase);
  if (failure === undefined) return error;
  const sentence = failure.sentence(JSON.stringify(path), `${(error as Error).message} (${code})`);
  return new LeaseError(failure.as as "BACKEND_CORRUPT", sentence, undefined, { cause: error });
}

/** There is no room for a new lease. */
export function full(path: string, cause?: unknown): LeaseError<"BACKEND_FULL"> {
  return new LeaseError(
    "BACKEND_FULL",
    `There is no room left for ${JSON.stringify(path)} and the 4 MiB beside it (${basename(path)}-reserve): free space on its disk, or sweep with a shorter historyRetentionMs.`,
    undefined,
    cause === undefined ? undefined : { cause },
  );
}

/** Of SQLite, or of a failed system call such as on a folder that may not be searched; empty for anything else. */
function codeOf(error: unknown): string {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  const isTheirs = typeof code === "string" && (code.startsWith("SQLITE_") || typeof syscall === "string");
  return isTheirs ? code : "";
}
