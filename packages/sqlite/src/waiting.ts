/** The calls of this process that wait: for a request's turn, or for something new in the history. */
import type { Clock } from "@lease/core";
import { Bell, type TurnCheck, type TurnRequest, Turns } from "@lease/core/backend";
import type { LeaseDatabase } from "./database.js";
import { isBusy, toLeaseError } from "./errors.js";
import type { SqliteLedger } from "./ledger.js";
import { TurnChecks } from "./turn.js";
import { callWatchers, fileToCallWith, Wake } from "./wake.js";

/** After a check that found the file busy, which only the recovery of a crashed writer's log can cause. */
const CHECK_AGAIN_MS = 5;

export class Waiting {
  readonly #clock: Clock;
  readonly #database: LeaseDatabase;
  readonly #turns: Turns;
  readonly #checks: TurnChecks;
  readonly #bell = new Bell();
  /** The file whose new time calls queued requests. */
  readonly #callPath: string;
  readonly #turnWake: Wake;
  readonly #historyWake: Wake;
  /** Of those that follow in the background. */
  readonly #backgroundWake: Wake;
  #rings = 0;

  constructor(clock: Clock, database: LeaseDatabase) {
    const { files, statements } = database;
    this.#clock = clock;
    this.#database = database;
    this.#turns = new Turns(clock, (id) => this.#check(id));
    this.#checks = new TurnChecks(statements);
    this.#callPath = fileToCallWith(files.real, files.log);
    const version = () => database.dataVersion();
    this.#turnWake = new Wake({
      path: this.#callPath,
      version,
      onForeignCommit: () => this.#checkTurns(),
    });
    const history = {
      path: files.log,
      version,
      onForeignCommit: () => this.#ring(),
      // The next read of a follower will say what is wrong.
      onPoll: () => {
        if (this.#bell.waiting && !files.areInPlace()) this.#ring();
      },
    };
    this.#historyWake = new Wake(history);
    this.#backgroundWake = new Wake({ ...history, background: true });
  }

  /** Implements `LeaseBackend.turn`. */
  async turn(request: TurnRequest): Promise<void> {
    // First the watch, then the check: what ends in between is noticed.
    const stop = this.#turnWake.retain();
    try {
      await this.#turns.wait(request);
    } finally {
      stop();
      this.#checks.forget(request.id);
    }
  }

  /** Watches for entries of other processes until the returned function is called. */
  watchHistory(background: boolean): () => void {
    return (background ? this.#backgroundWake : this.#historyWake).retain();
  }

  /**
   * Resolves when there may be an entry after `sequence`.
   *
   * @param readLast - reads the number of the newest entry
   */
  async news(readLast: () => Promise<number>, sequence: number, signal?: AbortSignal): Promise<void> {
    const rings = this.#rings;
    const last = await readLast();
    if (last > sequence || this.#rings !== rings) return;
    await this.#bell.wait(signal);
  }

  /** A transaction of this process wrote to the history. */
  onRecorded({ head, moved }: SqliteLedger): void {
    // First, since other processes take longest to notice.
    if (moved.length > 0 && head.has_queue === 1) callWatchers(this.#callPath);
    this.#ring();
    if (moved.length > 0) this.#checkTurns(moved);
  }

  close(): void {
    this.#turns.close();
    this.#bell.close();
    for (const wake of [this.#turnWake, this.#historyWake, this.#backgroundWake]) wake.stop();
  }

  #ring(): void {
    this.#rings += 1;
    this.#bell.ring();
  }

  /** @param moved - the leases that a step moved; left out after a commit of another process */
  #checkTurns(moved?: readonly string[]): void {
    if (!this.#turns.waiting) return;
    try {
      // One snapshot for all checks is several times cheaper than one for each.
      this.#database.inSnapshot(() => this.#turns.check(moved));
    } catch {
      setTimeout(() => this.#checkTurns(moved), CHECK_AGAIN_MS);
    }
  }

  #check(id: string): TurnCheck {
    const now = Math.floor(this.#clock.now());
    try {
      return this.#checks.check(id, now);
    } catch (error) {
      if (isBusy(error)) return { reached: false, checkAgainAt: now + CHECK_AGAIN_MS };
      throw toLeaseError(error, this.#database.files.path, "before");
    }
  }
}
