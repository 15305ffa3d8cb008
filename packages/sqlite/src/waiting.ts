/** Those in this process who wait: for their turn, or for something new in the history. */
import type { Clock } from "@lease/core";
import { Bell, closed, type TurnLook, type TurnRequest, Turns } from "@lease/core/backend";
import type { LeaseDatabase } from "./database.js";
import { isBusy, toLeaseError } from "./errors.js";
import type { SqliteLedger } from "./ledger.js";
import { Looker } from "./look.js";
import { callWatchers, Wake } from "./wake.js";

/** After a look that found the file busy, which only the recovery of a crashed writer's log can cause. */
const LOOK_AGAIN_MS = 5;

interface Attached {
  readonly database: LeaseDatabase;
  readonly looker: Looker;
  readonly turnWake: Wake;
  readonly historyWake: Wake;
}

export class Waiting {
  readonly #clock: Clock;
  readonly #path: string;
  readonly #turns: Turns;
  readonly #bell = new Bell();
  #attached: Attached | undefined;
  #rings = 0;
  #closed = false;

  constructor(clock: Clock, path: string) {
    this.#clock = clock;
    this.#path = path;
    this.#turns = new Turns(clock, (id) => this.#look(id));
  }

  /** Implements `LeaseBackend.turn` once the file is open. */
  async turn(request: TurnRequest, database: LeaseDatabase): Promise<void> {
    if (this.#closed) throw closed("sqlite");
    const { looker, turnWake } = this.#attach(database);
    // First the watch, then the look: what ends in between is noticed.
    const stop = turnWake.retain();
    try {
      await this.#turns.wait(request);
    } finally {
      stop();
      looker.forget(request.id);
    }
  }

  /** Watches for entries of other processes until the returned function is called. */
  watchHistory(database: LeaseDatabase): () => void {
    return this.#attach(database).historyWake.retain();
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
  onRecorded(ledger: SqliteLedger, { callPath }: LeaseDatabase): void {
    // First, since it takes others longest to hear of it.
    if (ledger.moved && ledger.hasQueue) callWatchers(callPath);
    this.#ring();
    if (ledger.moved) this.#checkTurns();
  }

  close(): void {
    this.#closed = true;
    this.#turns.close();
    this.#bell.close();
    this.#attached?.turnWake.stop();
    this.#attached?.historyWake.stop();
  }

  #attach(database: LeaseDatabase): Attached {
    const version = () => database.dataVersion();
    this.#attached ??= {
      database,
      looker: new Looker(database.statements),
      turnWake: new Wake({
        path: database.callPath,
        version,
        onForeignCommit: () => this.#checkTurns(),
        onPoll: () => {},
      }),
      historyWake: new Wake({
        path: database.logPath,
        version,
        onForeignCommit: () => this.#ring(),
        // The next read of a follower will say what is wrong.
        onPoll: () => {
          if (this.#bell.waiting && !database.isInPlace()) this.#ring();
        },
      }),
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
      // One snapshot for all looks is several times cheaper than one for each.
      this.#attached.database.inSnapshot(() => this.#turns.check());
    } catch {
      setTimeout(() => this.#checkTurns(), LOOK_AGAIN_MS);
    }
  }

  #look(id: string): TurnLook {
    const now = Math.floor(this.#clock.now());
    if (this.#attached === undefined) return { reached: true, lookAgainAt: now };
    try {
      return this.#attached.looker.look(id, now);
    } catch (error) {
      if (isBusy(error)) return { reached: false, lookAgainAt: now + LOOK_AGAIN_MS };
      throw toLeaseError(error, this.#path, "before");
    }
  }
}
