/**
 * The database, its log (`-wal`) and the log's index (`-shm`) as files: are they still those that were opened? All
 * processes must have all three in common, or SQLite gives two of them the same lease.
 *
 * Nothing here opens the database: closing any descriptor of it would drop the locks that SQLite holds in this process
 * (https://sqlite.org/howtocorrupt.html, section 2.2).
 */
import { type Stats, statSync } from "node:fs";
import { LeaseError } from "@lease/core";

/** @returns `undefined` when there is none */
export function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

/**
 * The mode of new files: they say what agents work on, and any program that has an id and a token can end the lease.
 * SQLite gives its `-wal` and `-shm` the mode of the database.
 */
export const OWNER_ONLY = 0o600;

/** What was checked within this time need not be checked again: it costs as much as a step. */
const CHECK_AGAIN_MS = 5;

export class DatabaseFiles {
  /** As it was given; links in it are followed each time. */
  readonly path: string;
  /** Where it led when it was opened: SQLite keeps the other files beside this one. */
  readonly real: string;
  readonly log: string;
  readonly #database: Stats;
  readonly #companions: readonly (readonly [path: string, opened: Stats | undefined])[];
  #trouble: (() => LeaseError) | null = null;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #companionsCheckedAt = Number.NEGATIVE_INFINITY;

  /**
   * @param database - what was found there before it was opened
   * @throws `BACKEND_UNAVAILABLE` when another file took its place meanwhile
   */
  constructor(path: string, real: string, database: Stats) {
    this.path = path;
    this.real = real;
    this.log = `${real}-wal`;
    this.#database = database;
    this.#companions = [this.log, `${real}-shm`].map((companion) => [companion, statOf(companion)]);
    this.check();
  }

  /**
   * @throws `BACKEND_UNAVAILABLE` when one of the files was deleted, moved or replaced, `BACKEND_INCOMPATIBLE` when the
   * database got a second name
   */
  check(): void {
    // The check after each transaction does for the next, if that comes soon.
    if (this.#trouble !== null || performance.now() - this.#checkedAt >= CHECK_AGAIN_MS) this.areInPlace();
    if (this.#trouble !== null) throw this.#trouble();
  }

  /** Whether all files are still those that were opened. */
  areInPlace(): boolean {
    this.#checkedAt = performance.now();
    try {
      this.#trouble = this.#findTrouble(this.#checkedAt);
    } catch {
      // A folder on the way is out of reach.
      this.#trouble = this.#replaced;
    }
    return this.#trouble !== this.#replaced;
  }

  #findTrouble(now: number): (() => LeaseError) | null {
    const found = statOf(this.path);
    if (!isSame(found, this.#database)) return this.#replaced;
    if (found.nlink > 1) return () => linked(this.path);
    if (this.#trouble === null && now - this.#companionsCheckedAt < CHECK_AGAIN_MS) return null;
    this.#companionsCheckedAt = now;
    const areThere = this.#companions.every(([path, opened]) => isSame(statOf(path), opened));
    return areThere ? null : this.#replaced;
  }

  readonly #replaced = () =>
    new LeaseError(
      "BACKEND_UNAVAILABLE",
      `The lease database ${JSON.stringify(this.path)} (or its -wal or -shm file) was deleted, moved or replaced while it was open. Put it back, or close this backend and open it again.`,
    );
}

/** The database has more than one name, and each would have a log of its own beside it. */
export function linked(path: string): LeaseError {
  return new LeaseError(
    "BACKEND_INCOMPATIBLE",
    `The lease database ${JSON.stringify(path)} has more than one name (hard links): processes that open different names would not see each other's leases. Remove the other names ("find / -samefile" lists them); for a second path make a symbolic link.`,
  );
}

function isSame(found: Stats | undefined, opened: Stats | undefined): found is Stats {
  return found !== undefined && found.ino === opened?.ino && found.dev === opened.dev;
}
