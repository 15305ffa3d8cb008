/** The history as the feed reads it, and news of what is new in it. */
import type { LeaseEvent, LeaseEventType } from "@lease/core";
import {
  Bell,
  type ChangesOptions,
  cursorExpired,
  formatCursor,
  type HistoryBounds,
  type HistoryPage,
  positionAfter,
  readChanges,
  stateAfter,
  timestamp,
} from "@lease/core/backend";
import { shown } from "./answers.js";
import { decodeRecord, type StoredRecord } from "./codec.js";
import type { Connection } from "./connection.js";
import type { Listener } from "./listener.js";
import type { Settings } from "./options.js";

/** Of a namespace that was never written to. */
const NO_EPOCH = "0";
/** The cursor of a listing before there is a history: what comes after it is all of whichever history comes. */
export const NOTHING_YET = formatCursor(NO_EPOCH, 0);
/** How long the steps go on notifying after the last time a follower asked for it, and how often it asks. */
const FOLLOW_FOR_MS = 60_000;
const FOLLOW_AGAIN_MS = 20_000;
/** With nothing that listens, followers look this often. */
const LOOK_EVERY_MS = 250;

type StoredEntry = readonly [number, number, LeaseEventType, string | null, string | null, StoredRecord];

interface Stretch extends HistoryPage {
  readonly bounds: HistoryBounds;
  /** Whether the entry after which it begins is kept, or was pruned last. */
  readonly known: boolean;
}

export class History {
  readonly #reads: Connection;
  readonly #settings: Settings;
  readonly #listener: Pick<Listener, "generation" | "listen">;
  readonly #bell = new Bell();
  #rings = 0;
  #followers = 0;
  #timer: NodeJS.Timeout | undefined;
  #channel: string | undefined;
  #askAgainAt = 0;
  #asking = false;

  constructor(reads: Connection, listener: Pick<Listener, "generation" | "listen">, settings: Settings) {
    this.#reads = reads;
    this.#listener = listener;
    this.#settings = settings;
  }

  /** Implements `LeaseBackend.changes`. */
  async *changes(options: ChangesOptions): AsyncGenerator<LeaseEvent, void> {
    const startsFromNothing = options.after === NOTHING_YET;
    let epoch: string | undefined;
    let ringsAtPage = 0;
    const source = {
      bounds: async () => {
        const { bounds } = await this.#read(0, 0);
        epoch = startsFromNothing ? NO_EPOCH : bounds.epoch;
        const own = { ...bounds, epoch };
        const position = positionAfter(options.after, own);
        // A restored backup that grew on has other entries there, and would be read on from with a gap.
        if (position > bounds.prunedThrough && !(await this.#read(position, 0)).known) {
          throw cursorExpired("its entry is gone: an older state was restored and grew on from there");
        }
        return own;
      },
      page: async (after: number, limit: number) => {
        ringsAtPage = this.#rings;
        const page = await this.#read(after, limit);
        if (epoch !== NO_EPOCH && epoch !== page.bounds.epoch) {
          throw cursorExpired("Postgres lost its data, and this is a new history");
        }
        epoch = page.bounds.epoch;
        return page;
      },
      entryAfter: async (_after: number, signal: AbortSignal | undefined) => {
        if (this.#rings === ringsAtPage) await this.#bell.wait(signal);
      },
    };
    const stop = options.follow === true ? this.#follow(options.background === true) : () => {};
    try {
      yield* readChanges(options, source);
    } finally {
      stop();
    }
  }

  onNotified(channel: string): void {
    if (channel === this.#channel) this.#ring();
  }

  onListenerChanged(): void {
    this.#ring();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#bell.close();
  }

  /** Counts a follower, until the returned function is called. */
  #follow(background: boolean): () => void {
    this.#followers += 1;
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
      this.#look();
    }
    // One that is not in the background keeps the process alive.
    if (background && this.#followers === 1) this.#timer.unref();
    else if (!background) this.#timer.ref();
    return () => {
      this.#followers -= 1;
      if (this.#followers > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /** Keeps the notifications coming; while none can be heard, followers look for themselves. */
  #look(): void {
    if (this.#listener.generation === 0 && this.#bell.waiting) this.#ring();
    if (this.#asking || performance.now() < this.#askAgainAt) return;
    this.#asking = true;
    const { schema, namespace } = this.#settings;
    this.#reads
      .call(`SELECT ${schema}.follow_v1($1, $2)`, [namespace, FOLLOW_FOR_MS])
      .then((space) => {
        this.#askAgainAt = performance.now() + FOLLOW_AGAIN_MS;
        this.#channel = `${schema}_history_${space}`;
        this.#listener.listen(this.#channel);
        // What was written before the steps began to notify.
        this.#ring();
      })
      // Followers read for themselves, and so get an error that lasts.
      .catch(() => this.#ring())
      .finally(() => {
        this.#asking = false;
      });
  }

  #ring(): void {
    this.#rings += 1;
    this.#bell.ring();
  }

  async #read(after: number, limit: number): Promise<Stretch> {
    const { schema, namespace } = this.#settings;
    const answered = await this.#reads.call(`SELECT ${schema}.history_v1($1, $2, $3)`, [
      namespace,
      after,
      limit,
    ]);
    if (answered === null) {
      return {
        entries: [],
        prunedThrough: 0,
        bounds: { epoch: NO_EPOCH, prunedThrough: 0, last: 0 },
        known: true,
      };
    }
    const [epoch, prunedThrough, last, known, ...entries] = JSON.parse(answered as string) as [
      string,
      number,
      number,
      boolean,
      ...StoredEntry[],
    ];
    return {
      entries: entries.map((entry) => ({ sequence: entry[0], event: eventOf(entry, epoch) })),
      prunedThrough,
      bounds: { epoch, prunedThrough, last },
      known,
    };
  }
}

function eventOf([sequence, at, type, by, reason, record]: StoredEntry, epoch: string): LeaseEvent {
  return {
    cursor: formatCursor(epoch, sequence),
    type,
    at: timestamp(at),
    lease: shown(decodeRecord(record, stateAfter(type)), at),
    by,
    reason,
  };
}
