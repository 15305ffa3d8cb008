/**
 * Joins calls that are made together into few batches, for stores whose price is paid once a batch: a transaction, a
 * script call, a request.
 */

/** One call, to be settled by the sender of its batch. */
export interface JoinedCall<C, A> {
  readonly request: C;
  readonly resolve: (answer: A) => void;
  readonly reject: (error: unknown) => void;
}

/** How calls are joined. */
export interface JoinOptions<C, A> {
  /** The most calls in one batch. */
  readonly most: number;
  /** Into how many batches the calls that are queued or under way are divided. Default 1. */
  readonly shares?: number;
  /** A batch is no smaller than this while so many calls are queued. Default 1. */
  readonly least?: number;
  /** The most batches under way. Default 1. */
  readonly atOnce?: number;
  /** Runs `flush` once the calls that belong together were made: `setImmediate`, `process.nextTick` … */
  readonly schedule: (flush: () => void) => void;
  /**
   * Sends a batch and settles its calls. The promise resolves when the next batch may take its place; if it rejects,
   * every call of the batch that was not settled is rejected with that error.
   */
  readonly send: (calls: readonly JoinedCall<C, A>[]) => Promise<void>;
}

/** Calls in the order in which they were made, a batch at a time. */
export class Join<C, A> {
  readonly #options: JoinOptions<C, A>;
  readonly #atOnce: number;
  #queue: JoinedCall<C, A>[] = [];
  #scheduled = false;
  #batches = 0;
  #underWay = 0;
  #closed: (() => unknown) | null = null;
  #onIdle: (() => void) | null = null;

  constructor(options: JoinOptions<C, A>) {
    this.#options = options;
    this.#atOnce = options.atOnce ?? 1;
  }

  call(request: C): Promise<A> {
    return new Promise<A>((resolve, reject) => {
      if (this.#closed !== null) return reject(this.#closed());
      this.#queue.push({ request, resolve, reject });
      this.#plan();
    });
  }

  /**
   * Rejects every later call with what `error` makes.
   *
   * @param queued - what becomes of calls that were not sent yet: `"send"` lets them come to their end
   * @returns when no call is queued or under way any more
   */
  async close(error: () => unknown, queued: "send" | "reject"): Promise<void> {
    this.#closed = error;
    if (queued === "reject") for (const { reject } of this.#queue.splice(0)) reject(error());
    if (this.#queue.length === 0 && this.#batches === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #plan(): void {
    if (this.#scheduled || this.#queue.length === 0 || this.#batches >= this.#atOnce) return;
    this.#scheduled = true;
    this.#options.schedule(this.#flush);
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    const { shares = 1, least = 1, most, send } = this.#options;
    const share = Math.ceil((this.#queue.length + this.#underWay) / shares);
    const calls = this.#queue.splice(0, Math.min(Math.max(share, least), most));
    if (calls.length === 0) {
      this.#rest();
      return;
    }
    this.#batches += 1;
    this.#underWay += calls.length;
    const over = () => {
      this.#batches -= 1;
      this.#underWay -= calls.length;
      this.#rest();
    };
    send(calls).then(over, (error: unknown) => {
      for (const { reject } of calls) reject(error);
      over();
    });
    this.#plan();
  };

  #rest(): void {
    this.#plan();
    if (this.#queue.length === 0 && this.#batches === 0) this.#onIdle?.();
  }
}
