/** What is played: who edits what, how often, and which accidents happen on the way. */

export const WORKERS = 8;
export const EDITS_EACH = 40;
export const FILES = ["ideas.md", "plan.md", "report.md"] as const;

/** Short, so that nobody has to wait long for the leases of the dead. */
export const TTL_MS = 1_500;

/** One read-modify-write: one line more at the end of one file. */
export interface Edit {
  readonly number: number;
  readonly file: string;
  /** Unique, so that an edit can be found again, and counted. */
  readonly line: string;
}

export function editsOf(worker: number): Edit[] {
  return Array.from({ length: EDITS_EACH }, (_, index) => ({
    number: index + 1,
    file: FILES[(worker + index) % FILES.length] as string,
    line: `${worker}:${index + 1}`,
  }));
}

/**
 * A worker dawdles over one edit until it is told to go on, long enough for the lease to need renewals. In the middle
 * of that it is hit; one that was stopped finds the word to go on when it wakes.
 *
 * - `work`: between reading and asking whether the lease is still held: asking is enough to find out.
 * - `write`: between asking and writing: the write was on its way already, and only the receiver can refuse it.
 */
export interface Accident {
  readonly worker: number;
  readonly edit: number;
  readonly during: "work" | "write";
  readonly signal: "SIGKILL" | "SIGSTOP";
}

/** Each hits another file. */
export const ACCIDENTS: readonly Accident[] = [
  { worker: 2, edit: 10, during: "work", signal: "SIGKILL" },
  { worker: 4, edit: 10, during: "work", signal: "SIGSTOP" },
  { worker: 6, edit: 10, during: "write", signal: "SIGSTOP" },
];

/** Signalled this long after the dawdling began: by then only renewals keep the lease. */
export const SIGNAL_AFTER_MS = 1.25 * TTL_MS;
/** Stopped at least this long: by then the lease has run out. */
export const STOPPED_MS = 2 * TTL_MS;

/** What a worker is told to do, as its first argument. */
export interface Job {
  readonly worker: number;
  readonly withLeases: boolean;
  /** The directory of the shared files. */
  readonly root: string;
  /** The databases of the leases and of the receiver. */
  readonly leasesPath: string;
  readonly receiverPath: string;
  readonly accident: Accident | null;
}

/** What a worker tells. `ready` and `dawdling` wait for a word to go on; all get the first together, so that all race. */
export type WorkerMessage =
  | { readonly type: "ready" }
  | { readonly type: "dawdling" }
  | { readonly type: "acknowledged"; readonly edit: Edit }
  | { readonly type: "redo"; readonly edit: Edit; readonly code: "LEASE_LOST" | "FENCED" };

/** An edit that a worker was told is done, and said so. */
export interface Acknowledged {
  readonly worker: number;
  readonly edit: Edit;
}
