/**
 * Group commit: calls made in one turn of the event loop share one transaction, because its price (take the lock,
 * write the log, commit) is paid once however many steps it holds. Each call still gets its own answer or error.
 *
 * SQLite lets one connection write at a time. If another has the lock, the calls wait on a timer, not in a blocked
 * event loop, each until its own `busyTimeoutMs` is over. Calls that only read have transactions of their own, which
 * wait for no writer.
 */
import { isLeaseError, LeaseError } from "@lease/core";
import { closed, Join, type JoinedCall, type Moment } from "@lease/core/backend";
import type { BootClock } from "./clock.js";
import type { LeaseDatabase } from "./database.js";
import { isBusy, isFull, type Phase, toLeaseError } from "./errors.js";
import { type LedgerOptions, SqliteLedger } from "./ledger.js";
import type { Head } from "./statements.js";

/** What a call may use while the transaction lasts. */
export interface Step {
  readonly database: LeaseDatabase;
  readonly ledger: SqliteLedger;
  readonly at: Moment;
  readonly head: Head;
}

export interface GroupOptions extends LedgerOptions {
  readonly clock: BootClock;
  readonly busyTimeoutMs: number;
  readonly open: () => Promise<LeaseDatabase>;
  /** After a transaction that wrote to the history. */
  readonly onRecorded: (ledger: SqliteLedger, database: LeaseDatabase) => void;
}

type Kind = "read" | "write";

interface Request {
  readonly run: (step: Step) => unknown;
  readonly giveUpAt: number;
}

type Call = JoinedCall<Request, unknown>;

interface Opened {
  readonly database: LeaseDatabase;
  readonly ledger: SqliteLedger;
}

type Outcome = { readonly answer: unknown } | { readonly refusal: LeaseError };

/** How a transaction failed, and how far it had come. */
interface Failure {
  readonly error: unknown;
  readonly phase: Phase;
}

/** Keeps a transaction short enough for other processes, and for the event loop. */
const MAX_CALLS = 512;
/** How often the length of the log is looked at, in transactions. */
const LOG_CHECK_EVERY = 256;
/** Pauses while another connection writes: doubled from here to there, and a random half of that left out. */
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 32;

export class Group {
  readonly #options: GroupOptions;
  readonly #joins: Readonly<Record<Kind, Join<Request, unknown>>>;
  #opened: Opened | undefined;
  #opening: Promise<Opened> | undefined;
  #transactions = 0;

  constructor(options: GroupOptions) {
    this.#options = options;
    const join = (kind: Kind) =>
      new Join<Request, unknown>({
        most: MAX_CALLS,
        schedule: setImmediate,
        send: (calls) => this.#send(kind, calls),
      });
    this.#joins = { read: join("read"), write: join("write") };
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
    const { read, write } = this.#joins;
    const error = () => closed("sqlite");
    await Promise.all([read.close(error, "send"), write.close(error, "send")]);
    this.#opened?.database.close();
    this.#opened = undefined;
  }

  #call<T>(kind: Kind, run: (step: Step) => T): Promise<T> {
    const giveUpAt = performance.now() + this.#options.busyTimeoutMs;
    return this.#joins[kind].call({ run, giveUpAt }) as Promise<T>;
  }

  /** Settles all calls of a batch: now, or once the file is not busy any more. */
  async #send(kind: Kind, batch: readonly Call[]): Promise<void> {
    let calls = batch;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      let busy: unknown;
      try {
        calls = this.#commit(kind, this.#opened ?? (await this.#open()), calls, (error) => {
          busy = error;
        });
      } catch (error) {
        // The file could not be opened.
        if (!isBusy(error)) throw this.#described(error, "before");
        busy = error;
      }
      if (calls.length === 0) return;
      await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random() / 2)));
      const now = performance.now();
      calls = calls.filter(({ request, reject }) => {
        if (now < request.giveUpAt) return true;
        reject(this.#described(busy, "before"));
        return false;
      });
    }
  }

  async #open(): Promise<Opened> {
    this.#opening ??= this.#options.open().then((database) => ({
      database,
      ledger: new SqliteLedger(database, this.#options),
    }));
    try {
      this.#opened = await this.#opening;
      return this.#opened;
    } finally {
      this.#opening = undefined;
    }
  }

  /**
   * Runs the calls in one transaction and settles them. If that fails, none of it happened, and each is tried alone,
   * so that one that finds no room or a damaged page does not fail the others.
   *
   * @returns those that are to be tried again, because the file was busy
   */
  #commit(
    kind: Kind,
    opened: Opened,
    calls: readonly Call[],
    onBusy: (error: unknown) => void,
    madeRoom = false,
  ): readonly Call[] {
    const done = this.#transact(kind, opened, calls);
    if (Array.isArray(done)) {
      for (const [index, call] of calls.entries()) settle(call, done[index] as Outcome);
      this.#transactions += 1;
      if (this.#transactions % LOG_CHECK_EVERY === 0) opened.database.tendLog();
      if (opened.ledger.recorded) this.#options.onRecorded(opened.ledger, opened.database);
      return [];
    }
    const { error, phase } = done;
    if (isBusy(error)) {
      onBusy(error);
      return calls;
    }
    const surelyUndone = phase === "before" || isFull(error);
    if (calls.length > 1 && surelyUndone) {
      return calls.flatMap((call) => this.#commit(kind, opened, [call], onBusy));
    }
    if (isFull(error) && !madeRoom) {
      opened.database.makeRoom();
      return this.#commit(kind, opened, calls, onBusy, true);
    }
    for (const call of calls) call.reject(this.#described(error, phase));
    return [];
  }

  #transact(kind: Kind, { database, ledger }: Opened, calls: readonly Call[]): Outcome[] | Failure {
    const { statements } = database;
    let phase: Phase = "before";
    try {
      (kind === "write" ? statements.beginWrite : statements.beginRead).run();
      const head = database.check();
      const at = this.#moment();
      ledger.begin(at, head);
      const step: Step = { database, ledger, at, head };
      const outcomes = calls.map(({ request }) => attempt(request, step));
      ledger.flush();
      if (kind === "write") phase = "commit";
      statements.commit.run();
      if (!database.isInPlace()) throw movedMeanwhile(this.#options.path, kind);
      return outcomes;
    } catch (error) {
      database.rollback();
      ledger.recorded = false;
      return { error, phase };
    }
  }

  #moment(): Moment {
    const { clock } = this.#options;
    return { now: Math.floor(clock.now()), wallNow: Math.floor(clock.wallNow()) };
  }

  #described(error: unknown, phase: Phase): unknown {
    return toLeaseError(error, this.#options.path, phase);
  }
}

/** A refusal is an answer like others; what is wrong with the file ends the transaction. */
function attempt({ run }: Request, step: Step): Outcome {
  try {
    return { answer: run(step) };
  } catch (error) {
    if (isLeaseError(error) && error.code !== "BACKEND_CORRUPT") return { refusal: error };
    throw error;
  }
}

function settle(call: Call, outcome: Outcome): void {
  if ("refusal" in outcome) call.reject(outcome.refusal);
  else call.resolve(outcome.answer);
}

function movedMeanwhile(path: string, kind: Kind): LeaseError {
  const what = `The lease database ${JSON.stringify(path)} was deleted, moved or replaced during the call`;
  return kind === "write"
    ? new LeaseError("OUTCOME_UNKNOWN", `${what}: if it is put back, the call may be found applied.`)
    : new LeaseError("BACKEND_UNAVAILABLE", `${what}: put it back, or open it again.`);
}
