/** The history as the feed reads it, and news of what is new in it. */
import { Bell, cursorExpired, formatCursor, type HistoryBounds, type HistoryPage } from "@lease/core/backend";
import { BLOCK_MS, type Client, type ClientFactory, reconnectDelayMs } from "./clients.js";
import { decodeEvents, numberAt } from "./codec.js";
import type { Connection } from "./connection.js";
import { HEAD } from "./scripts/layout.js";
import { load } from "./scripts/load.js";

const HISTORY = load("history");

/** An entry holds the events of up to thirty-two operations. */
const ENTRIES_IN_PAGE = 64;

/** Of a namespace that was never written to. */
const NO_EPOCH = "0";

/** The cursor of a listing before there is a history: what comes after it is all of whichever history comes. */
export const NOTHING_YET = formatCursor(NO_EPOCH, 0);

interface Stretch extends HistoryPage {
  readonly bounds: HistoryBounds;
}

async function readStretch(connection: Connection, after: number, limit: number): Promise<Stretch> {
  const { answers } = await connection.run(HISTORY, [`${after}`, `${limit}`]);
  const [head, ...entries] = answers as [Buffer, ...Buffer[]];
  if (head.length === 0) {
    return { entries: [], prunedThrough: 0, bounds: { epoch: NO_EPOCH, prunedThrough: 0, last: 0 } };
  }
  const epoch = String(numberAt(head, HEAD.epoch, 7));
  const prunedThrough = numberAt(head, HEAD.pruned, 7);
  const last = numberAt(head, HEAD.last, 7);
  return {
    // One call's events share an entry: those up to the position were read before.
    entries: entries
      .flatMap((entry) => decodeEvents(entry, epoch))
      .filter(({ sequence }) => sequence > after),
    prunedThrough,
    bounds: { epoch, prunedThrough, last },
  };
}

/** One reader's way through the history. */
export class HistoryReader {
  readonly #connection: Connection;
  readonly #startsFromNothing: boolean;
  #epoch: string | undefined;

  /** @param after - where the reader is to begin */
  constructor(connection: Connection, after: string | undefined) {
    this.#connection = connection;
    this.#startsFromNothing = after === NOTHING_YET;
  }

  async bounds(): Promise<HistoryBounds> {
    const { bounds } = await readStretch(this.#connection, 0, 0);
    this.#epoch = this.#startsFromNothing ? NO_EPOCH : bounds.epoch;
    return { ...bounds, epoch: this.#epoch };
  }

  /** @throws `CURSOR_EXPIRED` when the history was made anew in the meantime */
  async page(after: number): Promise<HistoryPage> {
    const page = await readStretch(this.#connection, after, ENTRIES_IN_PAGE);
    const { epoch } = page.bounds;
    if (this.#epoch !== NO_EPOCH && this.#epoch !== epoch) {
      throw cursorExpired("Redis lost its data, and this is a new history");
    }
    this.#epoch = epoch;
    return page;
  }
}

/** Wakes followers when there is something new: one connection for all of them, and only while there are followers. */
export class HistoryNews {
  readonly #clients: ClientFactory;
  readonly #key: string;
  readonly #bell = new Bell();
  /** The positions of the followers that wait at present. */
  readonly #positions = new Map<symbol, number>();
  #followers = 0;
  #client: Client | undefined;
  #reading = false;
  /** Where the read under way began. */
  #readingFrom = Number.NEGATIVE_INFINITY;
  /** Ends the reader's pause: while no follower waits, or after an error. */
  #goOn: () => void = () => {};
  #closed = false;

  constructor(clients: ClientFactory, key: string) {
    this.#clients = clients;
    this.#key = key;
  }

  /** Counts a follower, until the returned function is called. */
  follow(): () => void {
    this.#followers += 1;
    return () => {
      this.#followers -= 1;
      if (this.#followers === 0) this.#stop();
    };
  }

  /** Resolves when there may be an entry after a position, or when the signal aborts; rejects with `CLOSED`. */
  async after(position: number, signal: AbortSignal | undefined): Promise<void> {
    // The read under way does not report what lies between.
    if (position < this.#readingFrom) return;
    const waiter = Symbol();
    this.#positions.set(waiter, position);
    if (this.#positions.size === 1) this.#goOn();
    if (!this.#reading && !this.#closed) void this.#read();
    try {
      await this.#bell.wait(signal);
    } finally {
      this.#positions.delete(waiter);
    }
  }

  close(): void {
    this.#closed = true;
    this.#bell.close();
    this.#stop();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    let failures = 0;
    while (this.#followers > 0 && !this.#closed) {
      if (this.#positions.size === 0) {
        await this.#pause();
        continue;
      }
      try {
        const client = await this.#connected();
        this.#readingFrom = Math.min(...this.#positions.values());
        const start = `${this.#readingFrom}-1`;
        const found = await client.xread("COUNT", 1, "BLOCK", BLOCK_MS, "STREAMS", this.#key, start);
        failures = 0;
        if (found === null) continue;
      } catch {
        this.#drop();
        failures += 1;
        await this.#pause(reconnectDelayMs(failures));
        // They read for themselves, and so get an error that lasts.
      }
      this.#readingFrom = Number.NEGATIVE_INFINITY;
      this.#bell.ring();
      // Until here the followers that were woken still count as waiting.
      await Promise.resolve();
    }
    this.#reading = false;
    this.#drop();
  }

  async #connected(): Promise<Client> {
    if (this.#client === undefined) {
      const client = this.#clients.blocking();
      client.on("error", () => {});
      this.#client = client;
      await client.connect();
    }
    return this.#client;
  }

  #stop(): void {
    this.#drop();
    this.#goOn();
  }

  #drop(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.disconnect();
  }

  /** Until a follower waits, or for some time. */
  #pause(ms?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      this.#goOn = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
