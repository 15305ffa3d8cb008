/**
 * An open lease database: is it still what was opened, is there room in it, and does its log stay short. What each
 * transaction asks of it first, and again before it answers.
 */
import { statSync } from "node:fs";
import { LeaseError, type LeaseErrorCode } from "@lease/core";
import type { Connection } from "./driver.js";
import type { DatabaseFiles } from "./files.js";
import { LongQueues } from "./queues.js";
import { Reserve } from "./reserve.js";
import { type Head, prepareStatements, type Statements } from "./statements.js";

/** The log is cut back to this size once it could be emptied. */
export const LOG_KEPT_BYTES = 16 * 1024 * 1024;

export class LeaseDatabase {
  readonly files: DatabaseFiles;
  readonly statements: Statements;
  readonly #db: Connection;
  readonly #bootId: () => string;
  readonly #openedIn: string;
  readonly #schemaVersion: number;
  readonly #reserve: Reserve;
  #head: Head | undefined;
  #headVersion = 0;

  constructor(db: Connection, files: DatabaseFiles, bootId: () => string, schemaVersion: number) {
    this.files = files;
    this.statements = prepareStatements(db);
    this.#db = db;
    this.#bootId = bootId;
    this.#openedIn = bootId();
    this.#schemaVersion = schemaVersion;
    this.#reserve = new Reserve(`${files.real}-reserve`);
  }

  /**
   * The head of the file, once it is sure that the file is still the one that was opened, in the same boot and schema.
   * It is read again only after another connection's commit or {@link forgetHead}: reading it costs as much as a step,
   * and it stays true for exactly as long as what SQLite itself keeps of the file in memory.
   *
   * @throws `BACKEND_UNAVAILABLE` or `BACKEND_INCOMPATIBLE` when it is not
   */
  check(): Head {
    this.files.check();
    const version = this.dataVersion();
    if (this.#head === undefined || version !== this.#headVersion) {
      const head = this.statements.head.get();
      this.#head = head && { ...head, has_queue: null, leases: new Map(), queues: new LongQueues() };
      this.#headVersion = version;
    }
    const head = this.#head;
    if (head === undefined) {
      throw this.#problem("BACKEND_CORRUPT", "has lost its head row: restore it from a backup");
    }
    if (head.boot_id !== this.#openedIn || this.#bootId() !== this.#openedIn) {
      throw this.#problem(
        "BACKEND_INCOMPATIBLE",
        "is now in use under a different clock (another boot, machine or time namespace), so the age of leases cannot be known. Use it from one machine only, and open it again",
      );
    }
    if (head.schema_version !== this.#schemaVersion) {
      throw this.#problem(
        "BACKEND_INCOMPATIBLE",
        `was taken to schema version ${head.schema_version} by a newer @lease/sqlite while it was open: update this process too`,
      );
    }
    return head;
  }

  /** Has the head read again: after a rollback, and for a step that changes more of it than it can say. */
  forgetHead(): void {
    this.#head = undefined;
  }

  /** Ends a transaction that failed; harmless when there is none. */
  rollback(): void {
    this.forgetHead();
    try {
      if (this.#db.inTransaction) this.statements.rollback.run();
    } catch {
      // What made the transaction fail is what the caller gets; the next one begins with a new try.
    }
  }

  /** Runs several reads on one snapshot. */
  inSnapshot(run: () => void): void {
    this.statements.beginRead.run();
    try {
      run();
    } finally {
      this.statements.commit.run();
    }
  }

  /** Whether there is room for new leases; a little is kept back for what becomes of the old ones. */
  hasRoom(): boolean {
    return this.#reserve.isWhole();
  }

  /** Finds room on a full disk for one step more. */
  makeRoom(): void {
    this.#reserve.spend();
    this.#emptyLog(0);
  }

  /** Cuts the log back if it grew long, as it does during a long transaction of a connection that reads. */
  tendLog(): void {
    this.#emptyLog(LOG_KEPT_BYTES);
  }

  /** A number that changes when another connection commits. */
  dataVersion(): number {
    return this.statements.dataVersion.get() as number;
  }

  close(): void {
    this.#db.close();
  }

  #emptyLog(ifOverBytes: number): void {
    try {
      if (statSync(this.files.log).size > ifOverBytes) this.#db.pragma("wal_checkpoint(TRUNCATE)");
    } catch {
      // Another connection reads or writes, or there is no room for it: another time.
    }
  }

  #problem(code: LeaseErrorCode, what: string): LeaseError {
    const sentence = `The lease database ${JSON.stringify(this.files.path)} ${what}.`;
    return new LeaseError(code as "BACKEND_CORRUPT", sentence);
  }
}
