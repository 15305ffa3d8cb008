/** Keeps the log of several clients of one namespace. */
import { type Clock, isLeaseError, type LeaseBackend } from "@lease/core";
import type { CallOutcome, LoggedCall, LoggedCallOf, LoggedOperation } from "./log.js";

type RequestOf<Operation extends LoggedOperation> = LoggedCallOf<Operation>["request"];
type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Writes down the calls of all backends that it wraps, in the order in which they were sent. */
export class CallLog {
  readonly #clock: Pick<Clock, "now">;
  readonly #calls: LoggedCall[] = [];
  #last = Number.NEGATIVE_INFINITY;

  /** @param clock - one clock for all clients; the machine's `systemClock`, or the simulated one that the store runs on */
  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** All calls so far. A call that is still under way is among them, and its entry changes when it is answered. */
  get calls(): readonly LoggedCall[] {
    return this.#calls;
  }

  /** The same backend, whose calls are written down as those of `client`. */
  recorded(backend: LeaseBackend, client: string): LeaseBackend {
    const one = <Operation extends LoggedOperation, Answer>(
      operation: Operation,
      request: RequestOf<Operation>,
      run: () => Promise<Answer>,
    ): Promise<Answer> => this.#through([this.#sent(client, operation, request)], run, (answer) => [answer]);
    const batch = <Operation extends LoggedOperation, Answer>(
      operation: Operation,
      requests: readonly RequestOf<Operation>[],
      run: () => Promise<Answer[]>,
    ): Promise<Answer[]> =>
      this.#through(
        // What is no list is the backend's to refuse.
        Array.isArray(requests) ? requests.map((request) => this.#sent(client, operation, request)) : [],
        run,
        (answers) => answers,
      );
    return {
      kind: backend.kind,
      limits: backend.limits,
      acquire: (request) => one("acquire", request, () => backend.acquire(request)),
      turn: (wait) => backend.turn(wait),
      renew: (requests) => batch("renew", requests, () => backend.renew(requests)),
      release: (requests) => batch("release", requests, () => backend.release(requests)),
      list: (query) => one("list", query, () => backend.list(query)),
      sweep: (options) => one("sweep", options, () => backend.sweep(options)),
      changes: (options) => backend.changes(options),
      close: () => backend.close(),
    };
  }

  /** Says that the network may deliver this request once more than it was sent, at any time from now on. */
  copied<Operation extends LoggedOperation>(
    client: string,
    operation: Operation,
    request: RequestOf<Operation>,
  ): void {
    this.#sent(client, operation, request);
  }

  /** Events within one moment of a simulated clock stay in order, a millionth of a millisecond apart. */
  #now(): number {
    this.#last = Math.max(this.#clock.now(), this.#last + 1e-6);
    return this.#last;
  }

  #sent(client: string, operation: LoggedOperation, request: unknown): Mutable<LoggedCall> {
    const call = {
      operation,
      request: snapshot(request),
      client,
      sentAt: this.#now(),
      answeredAt: null,
      outcome: { kind: "none" },
    } as Mutable<LoggedCall>;
    this.#calls.push(call);
    return call;
  }

  async #through<Answer>(
    calls: readonly Mutable<LoggedCall>[],
    run: () => Promise<Answer>,
    answersOf: (answer: Answer) => readonly unknown[],
  ): Promise<Answer> {
    try {
      const answer = await run();
      const answers = answersOf(answer);
      this.#answered(calls, (index) => ({ kind: "answer", answer: snapshot(answers[index]) }));
      return answer;
    } catch (error) {
      // What is no LeaseError says nothing of whether the call was applied.
      if (isLeaseError(error)) this.#answered(calls, () => ({ kind: "error", code: error.code }));
      throw error;
    }
  }

  #answered(calls: readonly Mutable<LoggedCall>[], outcomeOf: (index: number) => CallOutcome<unknown>): void {
    const answeredAt = this.#now();
    for (const [index, call] of calls.entries()) {
      call.answeredAt = answeredAt;
      call.outcome = outcomeOf(index) as typeof call.outcome;
    }
  }
}

/** Deeper than any request or answer is, but for metadata; a request that contains itself has no end. */
const DEPTH = 8;

/** A copy, since callers may change what they sent and what they were given. */
function snapshot(value: unknown, depth = DEPTH): unknown {
  if (typeof value !== "object" || value === null || Object.isFrozen(value) || depth === 0) return value;
  if (Array.isArray(value)) return value.map((item) => snapshot(item, depth - 1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, snapshot(item, depth - 1)]));
}
