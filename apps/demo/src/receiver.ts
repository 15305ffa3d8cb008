/**
 * Who stores the files: takes a read or a write only with a fencing token that nobody has overtaken.
 *
 * Each step runs inside one `BEGIN IMMEDIATE` transaction on a small database that holds the bars, and so under one
 * lock that all processes share. The operating system keeps that lock for as long as its process lives, stopped or
 * not; no clock takes it away. Why no edit is lost:
 *
 * - **Reading raises the bar too.** Were it raised by writes alone, a stale holder could write between the read and
 *   the first write of its successor, who would then write over that. So from the moment somebody has read with
 *   token t, no older token writes, and a write with t that is admitted replaces exactly the text that t has read.
 *   This holds whatever clocks do: the lease keeps the work from being done twice, the fence keeps it from being lost.
 * - **Stopped before the step**, for however long: the fence is asked after it goes on, and says no if somebody newer
 *   came by. **Stopped inside the step**: it keeps the lock. The others wait, without blocking their event loops, so
 *   their renewals go on; nobody reads or writes any file until it goes on and completes a step that is still right.
 *   (One that never goes on is for its supervisor to kill; a lock that opened by itself would be the bug.)
 *   **Stopped after it**: all is done.
 * - **Killed inside the step** the lock is gone at once, and the bars are as they were before the step, which is where
 *   its own read had put them. Before the rename the file is the old one. Between rename and commit the file has the
 *   edit although nobody was told: one that is found but was not acknowledged, and is no harm to a successor, who
 *   reads the file after the lock was free.
 * - **A commit that fails** (a full disk) is that same case with a survivor. It tries the whole edit again, and finds
 *   its own line in what it reads.
 *
 * The bars need not outlive a power cut, so the commit is not flushed: it takes every stale holder with it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { assertFence, type Fence, type FenceBars, NO_BARS } from "@lease/core";
import Database from "better-sqlite3";
import { replaceFile } from "./replace-file.js";

export interface ReceiverOptions {
  /** The directory of the files. */
  readonly root: string;
  /** The database, made by `Receiver.create`. */
  readonly path: string;
}

export class Receiver {
  readonly #root: string;
  readonly #database: Database.Database;
  readonly #selectBars: Database.Statement<[string], FenceBars>;
  readonly #upsertBars: Database.Statement<[string, number, number]>;

  /** Makes the database, once and before any process opens it. */
  static create(path: string): void {
    const database = new Database(path);
    database.pragma("journal_mode = WAL");
    database.exec(
      "CREATE TABLE bars (thing TEXT PRIMARY KEY, exclusive INTEGER NOT NULL, shared INTEGER NOT NULL) STRICT",
    );
    database.close();
  }

  constructor({ root, path }: ReceiverOptions) {
    this.#root = root;
    this.#database = new Database(path, { fileMustExist: true });
    this.#database.pragma("synchronous = NORMAL");
    this.#selectBars = this.#database.prepare("SELECT exclusive, shared FROM bars WHERE thing = ?");
    this.#upsertBars = this.#database.prepare(
      "REPLACE INTO bars (thing, exclusive, shared) VALUES (?, ?, ?)",
    );
    // Opening may block for a moment, no lease is held yet; steps wait by themselves.
    this.#database.pragma("busy_timeout = 0");
  }

  /**
   * @param resource - the file's one name: its resource, relative to the root
   * @throws `FENCED` when a newer holder came by
   */
  read(resource: string, fence: Fence): Promise<string> {
    return this.#step(() => {
      this.#admit(resource, fence);
      return readFileSync(join(this.#root, resource), "utf8");
    });
  }

  /** @throws `FENCED` when a newer holder came by; nothing was written */
  write(resource: string, fence: Fence, text: string): Promise<void> {
    return this.#step(() => {
      this.#admit(resource, fence);
      replaceFile(join(this.#root, resource), text);
    });
  }

  close(): void {
    this.#database.close();
  }

  /** Runs a step once the lock is free. Waiting for it must not block the event loop, which has leases to renew. */
  async #step<T>(step: () => T): Promise<T> {
    const transaction = this.#database.transaction(step);
    for (;;) {
      try {
        return transaction.immediate();
      } catch (error) {
        if (!(error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY"))) throw error;
      }
      await pause(1 + 4 * Math.random());
    }
  }

  #admit(thing: string, fence: Fence): void {
    const bars = assertFence(thing, this.#selectBars.get(thing) ?? NO_BARS, fence);
    this.#upsertBars.run(thing, bars.exclusive, bars.shared);
  }
}
