/** The calls of this process that wait: for a request's turn, or for something new in the history. */
import type { Clock } from "@lease/core";
import { Bell, closed, type TurnLook, type TurnRequest, Turns } from "@lease/core/backend";
import type { LeaseDatabase } from "./database.js";
import { isBusy, toLeaseError } from "./errors.js";
import type { SqliteLedger } from "./ledger.js";
import { TurnChecks } from "./turn.js";
import { callWatchers, fileToCallWith, Wake } from "./wake.js";

/** After a check that found the file busy, which only the recovery of a crashed writer's log can cause. */
const CHECK_AGAIN_MS = 5;

/** What there is once the file is open. */
interface Attached {
  readonly database: LeaseDatabase;
  readonly checks: TurnChecks;
  /** The file whose new time calls queued requests. */
  readonly callPath: string;
  readonly turnWake: Wake;
  readonly historyWake: Wake;
  /** Of those that follow in the background. */
  readonly backgroundWake: Wake;
}

export class Waiting {
  readonly #clock: Clock;
  readonly #turns: Turns;
  readonly #bell = new Bell();
  #attached: Attached | undefined;
  #rings = 0;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#turns = new Turns(clock, (id) => this.#check(id));
  }

  /** Implements `LeaseBackend.turn` once the file is open. */
  async turn(request: TurnRequest, database: LeaseDatabase): Promise<void> {
    if (this.#closed) throw closed("sqlite");
    const { checks, turnWake } = this.#attach(database);
    // First the watch, then the check: what ends in between is noticed.
    const stop = turnWake.retain();
    try {
      await this.#turns.wait(request);
    } finally {
      stop();
      checks.forget(request.id);
    }
  }

  /** Watches for entries of other processes until the returned function is called. */
  watchHistory(database: LeaseDatabase, background: boolean): () => void {
    const { historyWake, backgroundWake } = this.#attach(database);
    return (background ? backgroundWake : historyWake).retain();
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
  onRecorded({ database, head, moved }: SqliteLedger): void {
    // First, since other processes take longest to notice.
    if (moved && head.has_queue === 1) callWatchers(this.#attach(database).callPath);
    this.#ring();
    if (moved) this.#checkTurns();
  }

  close(): void {
    this.#closed = true;
    this.#turns.close();
    this.#bell.close();
    this.#attached?.turnWake.stop();
    this.#attached?.historyWake.stop();
    this.#attached?.backgroundWake.stop();
  }

  #attach(database: LeaseDatabase): Attached {
    if (this.#attached !== undefined) return this.#attached;
    const { files, statements } = database;
    const version = () => database.dataVersion();
    const history = {
      path: files.log,
      version,
      onForeignCommit: () => this.#ring(),
      // The next read of a follower will say what is wrong.
      onPoll: () => {
        if (this.#bell.waiting && !files.areInPlace()) this.#ring();
      },
    };
    const callPath = fileToCallWith(files.real, files.log);
    this.#attached = {
      database,
      checks: new TurnChecks(statements),
      callPath,
      turnWake: new Wake({ path: callPath, version, onForeignCommit: () => this.#checkTurns() }),
      historyWake: new Wake(history),
      backgroundWake: new Wake({ ...history, background: true }),
    };
    return this.#attached;
  }

  #ring(): void {
    this.#rings += 1;
    this.#bell.ring();
  }

  #checkTurns(): void {
    if (!this.#turns.waiting || this.#attached === undefined) return;
    try {
      // One snapshot for all checks is several times cheaper than one for each.
      this.#attached.database.inSnapshot(() => this.#turns.check());
    } catch {
      setTimeout(() => this.#checkTurns(), CHECK_AGAIN_MS);
    }
  }

  #check(id: string): TurnLook {
    const now = Math.floor(this.#clock.now());
    if (this.#attached === undefined) return { reached: true, lookAgainAt: now };
    const { checks, database } = this.#attached;
    try {
      return checks.check(id, now);
    } catch (error) {
      if (isBusy(error)) return { reached: false, lookAgainAt: now + CHECK_AGAIN_MS };
      throw toLeaseError(error, database.files.path, "before");
    }
  }
}
