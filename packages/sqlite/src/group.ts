/**
 * Group commit: calls made in one turn of the event loop share one transaction, because its price (take the lock,
 * write the log, commit) is paid once however many steps it holds. Each call still gets its own answer or error.
 *
 * SQLite lets one connection write at a time. If another has the lock, the calls wait on a timer, not in a blocked
 * event loop, each until its own `busyTimeoutMs` is over. Calls that only read have transactions of their own, which
 * wait for no writer.
 */
import { type Clock, isLeaseError, LeaseError } from "@lease/core";
import { closed, Join, type JoinedCall, type Moment } from "@lease/core/backend";
import type { LeaseDatabase } from "./database.js";
import { isBusy, isFull, type Phase, toLeaseError } from "./errors.js";
import { type LedgerOptions, SqliteLedger } from "./ledger.js";

export interface GroupOptions extends LedgerOptions {
  readonly clock: Clock;
  readonly busyTimeoutMs: number;
  readonly open: () => Promise<LeaseDatabase>;
  /** After a transaction that wrote to the history. */
  readonly onRecorded: (ledger: SqliteLedger) => void;
}

type Kind = "read" | "write";

interface Request {
  readonly run: (ledger: SqliteLedger) => unknown;
  readonly giveUpAt: number;
}

type Call = JoinedCall<Request, unknown>;

/** What a transaction came to: it settles its calls, or failed at some point. */
type Result =
  | { readonly ledger: SqliteLedger; readonly settle: readonly (() => void)[] }
  | { readonly error: unknown; readonly phase: Phase };

/** Keeps a transaction short enough for other processes, and for the event loop. */
const MAX_CALLS = 512;
/** How often the length of the log is checked, in transactions. */
const LOG_CHECK_EVERY = 256;
/** Pauses while another connection writes: doubled from here to there, and a random half of that left out. */
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 32;

export class Group {
  readonly #options: GroupOptions;
  readonly #joins: Readonly<Record<Kind, Join<Request, unknown>>>;
  #database: LeaseDatabase | undefined;
  #opening: Promise<LeaseDatabase> | undefined;
  #busy: unknown;
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
  write<T>(run: (ledger: SqliteLedger) => T): Promise<T> {
    return this.#call("write", run);
  }

  /** Runs a step that only reads; it never waits for a writer. */
  read<T>(run: (ledger: SqliteLedger) => T): Promise<T> {
    return this.#call("read", run);
  }

  /** Lets the calls that were made come to their end, then closes the file. */
  async close(): Promise<void> {
    const { read, write } = this.#joins;
    const error = () => closed("sqlite");
    await Promise.all([read.close(error, "send"), write.close(error, "send")]);
    this.#database?.close();
    this.#database = undefined;
  }

  #call<T>(kind: Kind, run: (ledger: SqliteLedger) => T): Promise<T> {
    const giveUpAt = performance.now() + this.#options.busyTimeoutMs;
    return this.#joins[kind].call({ run, giveUpAt }) as Promise<T>;
  }

  /** Settles all calls of a batch: now, or once the file is not busy any more. */
  async #send(kind: Kind, batch: readonly Call[]): Promise<void> {
    let calls = batch;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      try {
        calls = this.#commit(kind, this.#database ?? (await this.#open()), calls);
      } catch (error) {
        // The file could not be opened.
        if (!isBusy(error)) throw this.#described(error, "before");
        this.#busy = error;
      }
      if (calls.length === 0) return;
      await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random() / 2)));
      const now = performance.now();
      calls = calls.filter(({ request, reject }) => {
        if (now < request.giveUpAt) return true;
        reject(this.#described(this.#busy, "before"));
        return false;
      });
    }
  }

  async #open(): Promise<LeaseDatabase> {
    this.#opening ??= this.#options.open();
    try {
      this.#database = await this.#opening;
      return this.#database;
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
  #commit(kind: Kind, database: LeaseDatabase, calls: readonly Call[], madeRoom = false): readonly Call[] {
    const result = this.#transact(kind, database, calls);
    if ("settle" in result) {
      for (const settle of result.settle) settle();
      this.#transactions += 1;
      if (this.#transactions % LOG_CHECK_EVERY === 0) database.tendLog();
      if (result.ledger.recorded) this.#options.onRecorded(result.ledger);
      return [];
    }
    const { error, phase } = result;
    if (isBusy(error)) {
      this.#busy = error;
      return calls;
    }
    const surelyUndone = phase === "before" || isFull(error);
    if (calls.length > 1 && surelyUndone) {
      return calls.flatMap((call) => this.#commit(kind, database, [call]));
    }
    if (isFull(error) && !madeRoom) {
      database.makeRoom();
      return this.#commit(kind, database, calls, true);
    }
    for (const call of calls) call.reject(this.#described(error, phase));
    return [];
  }

  #transact(kind: Kind, database: LeaseDatabase, calls: readonly Call[]): Result {
    const { statements } = database;
    let phase: Phase = "before";
    try {
      (kind === "write" ? statements.beginWrite : statements.beginRead).run();
      const head = database.check();
      const ledger = new SqliteLedger(database, head, this.#moment(), this.#options);
      const settle = calls.map((call) => attempt(call, ledger));
      ledger.flush();
      if (kind === "write") phase = "commit";
      statements.commit.run();
      if (!database.files.areInPlace()) throw movedMeanwhile(this.#options.path, kind);
      return { ledger, settle };
    } catch (error) {
      database.rollback();
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

/** Runs a step. A refusal is an answer like others; what is wrong with the file ends the transaction. */
function attempt({ request, resolve, reject }: Call, ledger: SqliteLedger): () => void {
  try {
    const answer = request.run(ledger);
    return () => resolve(answer);
  } catch (error) {
    if (isLeaseError(error) && error.code !== "BACKEND_CORRUPT") return () => reject(error);
    throw error;
  }
}

function movedMeanwhile(path: string, kind: Kind): LeaseError {
  const what = `The lease database ${JSON.stringify(path)} was deleted, moved or replaced during the call`;
  return kind === "write"
    ? new LeaseError("OUTCOME_UNKNOWN", `${what}: if it is put back, the call may be found applied.`)
    : new LeaseError("BACKEND_UNAVAILABLE", `${what}: put it back, or open it again.`);
}
