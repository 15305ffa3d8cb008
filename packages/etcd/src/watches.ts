/**
 * Watches, all over one stream. The library's own watcher goes on from the wrong revision after a break and does not
 * tell what was compacted, so this speaks to the raw stream.
 */
import { castGrpcError, type Etcd3, type IEvent, type IWatchResponse } from "etcd3";
import type { Connection, Endpoint } from "./connection.js";
import { closed } from "./errors.js";

export interface WatchRequest {
  readonly key: Buffer;
  readonly range_end?: Buffer;
  /** Where to begin, asked again whenever the watch must be made anew; `null` for now. */
  readonly from: () => number | null;
  /** Events tell what was there before. */
  readonly withBefore: boolean;
  readonly deletesOnly?: boolean;
  /** It watches from now on; also after a break, in which something may have been missed if `from` said `null`. */
  readonly onWatching: (revision: number) => void;
  readonly onEvents: (events: readonly IEvent[]) => void;
  /** What it should begin with was compacted away. The watch is over. */
  readonly onCompacted?: (compactRevision: number) => void;
  /** The backend was closed. The watch is over. */
  readonly onClosed: (error: Error) => void;
}

type Duplex = Awaited<ReturnType<Etcd3["watchClient"]["watch"]>>;

const RETRY_FIRST_MS = 50;
const RETRY_MOST_MS = 1000;
/** An idle stream keeps the process alive, so it is not kept for long. */
const IDLE_MS = 1000;

export class Watches {
  readonly #connection: Connection;
  readonly #watches = new Map<string, WatchRequest>();
  #stream: { readonly endpoint: Endpoint; readonly duplex: Promise<Duplex> } | null = null;
  #lastId = 0;
  #failures = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.onSwitch((failed) => {
      if (this.#stream?.endpoint === failed) this.#break();
    });
  }

  /** Watches until the returned function is called. */
  open(request: WatchRequest): () => void {
    if (this.#closed) {
      request.onClosed(closed());
      return () => {};
    }
    clearTimeout(this.#idleTimer);
    this.#lastId += 1;
    const id = String(this.#lastId);
    this.#watches.set(id, request);
    this.#create(id, request);
    return () => this.#cancel(id);
  }

  close(): void {
    this.#closed = true;
    const watches = [...this.#watches.values()];
    this.#watches.clear();
    clearTimeout(this.#retryTimer);
    this.#endStream();
    for (const { onClosed } of watches) onClosed(closed());
  }

  #create(id: string, { key, range_end, from, withBefore, deletesOnly }: WatchRequest): void {
    const stream = this.#openStream();
    if (stream === null) return;
    const create_request = {
      key,
      ...(range_end === undefined ? {} : { range_end }),
      start_revision: from() ?? 0,
      progress_notify: true,
      prev_kv: withBefore,
      watch_id: id,
      filters: deletesOnly === true ? (["Noput"] as const).slice() : [],
    };
    stream.then(
      (duplex) => {
        if (this.#watches.has(id) && this.#stream?.duplex === stream) duplex.write({ create_request });
      },
      () => {},
    );
  }

  #cancel(id: string): void {
    if (!this.#watches.delete(id)) return;
    // Whoever stops watching because its turn has come has a more urgent message to send first.
    setImmediate(() => {
      this.#stream?.duplex.then(
        (duplex) => duplex.write({ cancel_request: { watch_id: id } }),
        () => {},
      );
    });
    if (this.#watches.size > 0) return;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#idleTimer = setTimeout(() => {
      if (this.#watches.size === 0) this.#endStream();
    }, IDLE_MS);
  }

  /** The stream, or `null` while a broken one waits for its next try: every watch is made then. */
  #openStream(): Promise<Duplex> | null {
    if (this.#stream !== null) return this.#stream.duplex;
    if (this.#retryTimer !== undefined) return null;
    const { endpoint } = this.#connection;
    const duplex = endpoint.client.watchClient.watch();
    const stream = { endpoint, duplex };
    this.#stream = stream;
    const isCurrent = () => this.#stream === stream;
    duplex.then(
      (opened) => {
        opened.on("data", (response: IWatchResponse) => {
          if (isCurrent()) this.#onResponse(response);
        });
        opened.on("error", (error) => {
          if (isCurrent()) this.#onBroken(castGrpcError(error));
        });
        opened.on("end", () => {
          if (isCurrent()) this.#onBroken(null);
        });
      },
      (error: Error) => {
        if (isCurrent()) this.#onBroken(error);
      },
    );
    return duplex;
  }

  #onResponse(response: IWatchResponse): void {
    const watch = this.#watches.get(response.watch_id);
    if (watch === undefined) return;
    if (response.canceled) {
      this.#watches.delete(response.watch_id);
      const compacted = Number(response.compact_revision);
      if (compacted > 0 && watch.onCompacted !== undefined) watch.onCompacted(compacted);
      else this.open(watch);
      return;
    }
    if (response.created) {
      this.#failures = 0;
      watch.onWatching(Number(response.header.revision));
    }
    if (response.events.length > 0) watch.onEvents(response.events);
  }

  /** Every watch is made anew, with another member if there is one. */
  #onBroken(error: Error | null): void {
    const endpoint = this.#stream?.endpoint;
    this.#endStream();
    if (endpoint !== undefined && error !== null) this.#connection.failed(endpoint);
    this.#retry();
  }

  #break(): void {
    this.#endStream();
    this.#retry();
  }

  #retry(): void {
    if (this.#closed || this.#watches.size === 0 || this.#retryTimer !== undefined) return;
    const delayMs = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#failures, 6));
    this.#failures += 1;
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      for (const [id, watch] of this.#watches) this.#create(id, watch);
    }, delayMs);
  }

  #endStream(): void {
    clearTimeout(this.#idleTimer);
    const stream = this.#stream;
    this.#stream = null;
    stream?.duplex.then(
      (duplex) => {
        // What it says after its end concerns nobody.
        duplex.on("error", () => {});
        duplex.cancel();
      },
      () => {},
    );
  }
}
