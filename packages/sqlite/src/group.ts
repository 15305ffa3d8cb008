/**
 * Group commit: calls made in one turn of the event loop share one transaction, because its price (take the lock,
 * write the log, commit) is paid once however many steps it holds. Each call still gets its own answer or error.
 *
 * SQLite lets one connection write at a time. If another has the lock, the calls wait on a timer, not in a blocked
 * event loop, each until its own `busyTimeoutMs` is over.
 */
import { isLeaseError, LeaseError, type Moment } from "@lease/core";
import type { BootClock } from "./clock.js";
import type { LeaseDatabase } from "./database.js";
import { closed, isBusy, isFull, type Phase, toLeaseError } from "./errors.js";
import type { Head } from "./statements.js";
import { Store, type StoreOptions } from "./store.js";

/** What a call may use while the transaction lasts. */
export interface Step {
  readonly database: LeaseDatabase;
  readonly store: Store;
  readonly at: Moment;
  readonly head: Head;
}

export interface GroupOptions extends StoreOptions {
  readonly clock: BootClock;
  readonly busyTimeoutMs: number;
  readonly open: () => Promise<LeaseDatabase>;
  /** After a transaction that wrote to the history. */
  readonly onRecorded: (store: Store, database: LeaseDatabase) => void;
}

interface Call {
  readonly kind: "read" | "write";
  readonly run: (step: Step) => unknown;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;
  readonly giveUpAt: number;
}

interface Opened {
  readonly database: LeaseDatabase;
  readonly store: Store;
}

/** What became of calls: settled, or to be tried again because the file was busy. */
interface Tried {
  readonly again: Call[];
  readonly busy?: unknown;
}

type Outcome = { readonly answer: unknown } | { readonly refusal: LeaseError };

/** Keeps a transaction short enough for other processes, and for the event loop. */
const MAX_CALLS = 512;
/** How often the length of the log is looked at, in transactions. */
const LOG_CHECK_EVERY = 256;
/** Pauses while another connection writes: doubled from here to there, and a random half of that left out. */
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 32;

export class Group {
  readonly #options: GroupOptions;
  #opened: Opened | undefined;
  #queue: Call[] = [];
  #working = false;
  #closed = false;
  #pauseMs = FIRST_PAUSE_MS;
  #transactions = 0;
  readonly #madeRoomFor = new WeakSet<Call>();
  #onIdle: (() => void) | undefined;

  constructor(options: GroupOptions) {
    this.#options = options;
  }

  /** Runs a step with the write lock. */
  write<T>(run: (step: Step) => T): Promise<T> {
    return this.#call("write", run);
  }

  /** Runs a step that only reads; it never waits for a writer. */
  read<T>(run: (step: Step) => T): Promise<T> {
    return this.#call("read", run);
  }

  /** Lets the calls that were made come to their end, then closes the file. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#working) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    this.#opened?.database.close();
    this.#opened = undefined;
  }

  #call<T>(kind: Call["kind"], run: (step: Step) => T): Promise<T> {
    if (this.#closed) return Promise.reject(closed());
    return new Promise<T>((resolve, reject) => {
      const giveUpAt = performance.now() + this.#options.busyTimeoutMs;
      this.#queue.push({ kind, run, resolve, reject, giveUpAt });
      if (this.#working) return;
      this.#working = true;
      setImmediate(this.#work);
    });
  }

  readonly #work = (): void => {
    if (this.#opened === undefined) {
      this.#open();
      return;
    }
    const calls = this.#queue.splice(0, MAX_CALLS);
    const { again, busy } = this.#commit(this.#opened, calls);
    if (again.length === 0) {
      this.#pauseMs = FIRST_PAUSE_MS;
      this.#workOn();
    } else {
      this.#queue.unshift(...again);
      this.#pause(busy);
    }
  };

  #workOn(): void {
    if (this.#queue.length > 0) {
      setImmediate(this.#work);
      return;
    }
    this.#working = false;
    this.#onIdle?.();
  }

  #open(): void {
    this.#options.open().then(
      (database) => {
        this.#opened = { database, store: new Store(database, this.#options) };
        this.#work();
      },
      (error: unknown) => {
        if (isBusy(error)) {
          this.#pause(error);
          return;
        }
        for (const call of this.#queue.splice(0)) call.reject(this.#told(error, "before"));
        this.#workOn();
      },
    );
  }

  /** Somebody else has the lock: those whose time is over are told so, the others wait a little. */
  #pause(busy: unknown): void {
    const now = performance.now();
    const waiting: Call[] = [];
    for (const call of this.#queue) {
      if (now < call.giveUpAt) waiting.push(call);
      else call.reject(this.#told(busy, "before"));
    }
    this.#queue = waiting;
    if (waiting.length === 0) {
      this.#workOn();
      return;
    }
    setTimeout(this.#work, this.#pauseMs * (0.5 + Math.random() / 2));
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
  }

  /**
   * Runs the calls in one transaction and settles them. If that fails, none of it happened, and each is tried alone,
   * so that one that finds no room or a damaged page does not fail the others.
   */
  #commit(opened: Opened, calls: Call[]): Tried {
    let outcomes: Outcome[];
    try {
      outcomes = this.#transact(opened, calls);
    } catch (failure) {
      return this.#afterFailure(opened, calls, failure as Failure);
    }
    for (const [index, call] of calls.entries()) settle(call, outcomes[index] as Outcome);
    this.#transactions += 1;
    if (this.#transactions % LOG_CHECK_EVERY === 0) opened.database.tendLog();
    if (opened.store.recorded) this.#options.onRecorded(opened.store, opened.database);
    return { again: [] };
  }

  #afterFailure(opened: Opened, calls: Call[], { error, phase }: Failure): Tried {
    if (isBusy(error)) return this.#withoutLock(opened, calls, error);
    const surelyUndone = phase === "before" || isFull(error);
    if (calls.length > 1 && surelyUndone) {
      const results = calls.map((call) => this.#commit(opened, [call]));
      return { again: results.flatMap(({ again }) => again), busy: results.find(({ busy }) => busy)?.busy };
    }
    const [call] = calls;
    if (isFull(error) && call !== undefined && !this.#madeRoomFor.has(call)) {
      this.#madeRoomFor.add(call);
      opened.database.makeRoom();
      return this.#commit(opened, calls);
    }
    for (const call of calls) call.reject(this.#told(error, phase));
    return { again: [] };
  }

  /** Somebody else has the lock. Reading needs none and does not wait for it. */
  #withoutLock(opened: Opened, calls: Call[], busy: unknown): Tried {
    const reads = calls.filter((call) => call.kind === "read");
    if (reads.length === 0 || reads.length === calls.length) return { again: calls, busy };
    const { again } = this.#commit(opened, reads);
    return { again: [...calls.filter((call) => call.kind === "write"), ...again], busy };
  }

  /** @throws {@link Failure} when the transaction did not end well */
  #transact({ database, store }: Opened, calls: readonly Call[]): Outcome[] {
    const { statements } = database;
    const writes = calls.some((call) => call.kind === "write");
    let phase: Phase = "before";
    try {
      (writes ? statements.beginWrite : statements.beginRead).run();
      const head = database.check();
      const at = this.#moment();
      store.begin(at, head);
      const step: Step = { database, store, at, head };
      const outcomes = calls.map((call) => attempt(call, step));
      store.flush();
      if (writes) phase = "commit";
      statements.commit.run();
      if (!database.isInPlace()) throw movedMeanwhile(this.#options.path, writes);
      return outcomes;
    } catch (error) {
      database.rollback();
      store.recorded = false;
      throw new Failure(error, phase);
    }
  }

  #moment(): Moment {
    const { clock } = this.#options;
    return { now: Math.floor(clock.now()), wallNow: Math.floor(clock.wallNow()) };
  }

  #told(error: unknown, phase: Phase): unknown {
    return toLeaseError(error, this.#options.path, phase);
  }
}

/** How a transaction failed, and how far it had come. */
class Failure {
  readonly error: unknown;
  readonly phase: Phase;

  constructor(error: unknown, phase: Phase) {
    this.error = error;
    this.phase = phase;
  }
}

/** A refusal is an answer like others; what is wrong with the file ends the transaction. */
function attempt(call: Call, step: Step): Outcome {
  try {
    return { answer: call.run(step) };
  } catch (error) {
    if (isLeaseError(error) && error.code !== "BACKEND_CORRUPT") return { refusal: error };
    throw error;
  }
}

function settle(call: Call, outcome: Outcome): void {
  if ("refusal" in outcome) call.reject(outcome.refusal);
  else call.resolve(outcome.answer as never);
}

function movedMeanwhile(path: string, wrote: boolean): LeaseError {
  const what = `The lease database ${JSON.stringify(path)} was deleted, moved or replaced during the call`;
  return wrote
    ? new LeaseError("OUTCOME_UNKNOWN", `${what}: if it is put back, the call may be found applied.`)
    : new LeaseError("BACKEND_UNAVAILABLE", `${what}: put it back, or open it again.`);
}
