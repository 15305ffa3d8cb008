/**
 * The long queues of the file, in memory: the claims on a resource in the order of their tokens, with the time of each
 * lease. Every request that enters a queue or keeps its place in it is answered with its position, so each of them
 * would read the whole queue from the file.
 *
 * Like all that the head remembers, this is true until another connection commits, and steps change it as they write.
 */
/** A lease in the way, as far as its claim and its time say. */
export interface SqliteRival {
  readonly token: number;
  /** Its id as it is stored in the columns. */
  readonly key: string;
  /** On the boot's clock. */
  readonly expires: number;
}

/** A claim in a queue. */
export interface QueuedClaim extends SqliteRival {
  readonly mode: number;
  expires: number;
}

/** What a step changes of a lease. */
interface Changed {
  readonly key: string;
  readonly token: number;
  readonly expires: number;
}

/** A shorter queue is read from the file as fast as it would be kept. */
const LONG = 16;
/** The most claims that are kept. */
const MAX_KEPT = 100_000;

export class LongQueues {
  readonly #queues = new Map<string, QueuedClaim[]>();
  /** The places of each lease in them. */
  readonly #places = new Map<string, QueuedClaim[]>();
  #kept = 0;

  get(resource: string): readonly QueuedClaim[] | undefined {
    return this.#queues.get(resource);
  }

  /** Keeps a queue that was read from the file, if it is a long one. */
  keep(resource: string, rivals: QueuedClaim[]): void {
    if (rivals.length < LONG) return;
    if (this.#kept + rivals.length > MAX_KEPT) this.#clear();
    this.#queues.set(resource, rivals);
    this.#kept += rivals.length;
    for (const rival of rivals) this.#place(rival);
  }

  /** A lease with the greatest token of all claims a resource. */
  add(resource: string, { mode }: { readonly mode: number }, { key, token, expires }: Changed): void {
    const queue = this.#queues.get(resource);
    if (queue === undefined) return;
    const rival = { token, key, mode, expires };
    queue.push(rival);
    this.#kept += 1;
    this.#place(rival);
  }

  /** A lease now ends at another time. */
  move({ key, expires }: Changed): void {
    for (const rival of this.#places.get(key) ?? []) rival.expires = expires;
  }

  /** A lease is gone, and with it its claim on a resource. */
  remove(resource: string, { key, token }: Changed): void {
    const queue = this.#queues.get(resource);
    if (queue === undefined) return;
    const at = queue.findIndex((rival) => rival.token === token);
    if (at < 0) return;
    queue.splice(at, 1);
    this.#kept -= 1;
    this.#places.delete(key);
    if (queue.length > 0) return;
    this.#queues.delete(resource);
  }

  #place(rival: QueuedClaim): void {
    const places = this.#places.get(rival.key);
    if (places === undefined) this.#places.set(rival.key, [rival]);
    else places.push(rival);
  }

  #clear(): void {
    this.#queues.clear();
    this.#places.clear();
    this.#kept = 0;
  }
}
