/**
 * Watches, all over one stream. The library's own watcher goes on from the wrong revision after a break and does not
 * say what was compacted, so this speaks to the raw stream.
 */
import { isLeaseError } from "@lease/core";
import { closed } from "@lease/core/backend";
import { castGrpcError, type Etcd3, type IEvent, type IWatchResponse } from "etcd3";
import type { Connection } from "./connection.js";
import { refused } from "./errors.js";
import { type Endpoint, endStream } from "./streams.js";

export interface WatchRequest {
  readonly key: Buffer;
  readonly range_end?: Buffer;
  /** Where to begin, asked again whenever the watch must be made anew; `null` for now. */
  readonly from: () => number | null;
  /** Events carry the value before. */
  readonly withBefore: boolean;
  readonly deletesOnly?: boolean;
  /** It watches from now on; also after a break, in which something may have been missed if `from` said `null`. */
  readonly onWatching: (revision: number) => void;
  readonly onEvents: (events: readonly IEvent[]) => void;
  /** What it should begin with was compacted away. The watch is over. */
  readonly onCompacted?: (compactRevision: number) => void;
  /** Everything up to this revision was reported. */
  readonly onProgress?: (revision: number) => void;
  /** The backend was closed, or etcd refuses to let this client watch. The watch is over. */
  readonly onClosed: (error: Error) => void;
}

type Duplex = Awaited<ReturnType<Etcd3["watchClient"]["watch"]>>;
type CallOptions = NonNullable<Parameters<Etcd3["watchClient"]["watch"]>[0]>;
type Interceptor = NonNullable<CallOptions["interceptors"]>[number];

/** A member that is cut off from the leader would keep a watch and report nothing; asked like this, it ends it. */
const requireLeader: Interceptor = (options, nextCall) => {
  const call = nextCall(options);
  const start = call.start.bind(call);
  call.start = (metadata, listener) => {
    const own = metadata.clone();
    own.set("hasleader", "true");
    start(own, listener);
  };
  return call as ReturnType<Interceptor>;
};

const RETRY_FIRST_MS = 50;
const RETRY_MOST_MS = 1000;
/** An idle stream keeps the process alive, so it is not kept for long. */
const IDLE_MS = 1000;
/** A watch that is refused this often on streams of their own, though its keys can be read, is refused for good. */
const MAX_REFUSALS = 3;

export class Watches {
  readonly #connection: Connection;
  readonly #watches = new Map<string, WatchRequest>();
  #stream: { readonly endpoint: Endpoint; readonly duplex: Promise<Duplex> } | null = null;
  #lastId = 0;
  #failures = 0;
  /** How often each watch was refused since it last worked. */
  readonly #refusals = new Map<string, number>();
  /** Asked for on this stream, and not answered yet: etcd answers in the order of asking. */
  readonly #creating = new Set<string>();
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
      request.onClosed(closed("etcd"));
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
    for (const { onClosed } of watches) onClosed(closed("etcd"));
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
        if (!this.#watches.has(id) || this.#stream?.duplex !== stream) return;
        this.#creating.add(id);
        duplex.write({ create_request });
      },
      () => {},
    );
  }

  #cancel(id: string): void {
    if (!this.#forget(id)) return;
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
    const duplex = endpoint.client.watchClient.watch({ interceptors: [requireLeader] });
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
    // Some versions do not say which watch it was that they refused to make.
    const [asked] = this.#creating;
    const isNameless = response.created && response.watch_id === "-1" && asked !== undefined;
    const id = isNameless ? asked : response.watch_id;
    if (response.created) this.#creating.delete(id);
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    if (response.canceled) {
      this.#onCanceled(id, watch, response);
      return;
    }
    const revision = Number(response.header.revision);
    if (response.created) {
      this.#failures = 0;
      this.#refusals.delete(id);
      watch.onWatching(revision);
    }
    if (response.events.length > 0) watch.onEvents(response.events);
    else if (!response.created) watch.onProgress?.(revision);
  }

  #onCanceled(id: string, watch: WatchRequest, { compact_revision, cancel_reason }: IWatchResponse): void {
    const compacted = Number(compact_revision);
    if (compacted > 0 && watch.onCompacted !== undefined) {
      this.#forget(id);
      watch.onCompacted(compacted);
      return;
    }
    const refusals = (this.#refusals.get(id) ?? 0) + 1;
    this.#refusals.set(id, refusals);
    const { key, range_end } = watch;
    // A stream keeps the token that it was opened with. Where that has run out, a read gets a new one for the next
    // stream; where this client may not read either, it gets the reason.
    const read = { key, ...(range_end === undefined ? {} : { range_end }), limit: 1, keys_only: true };
    void this.#connection
      .range(read)
      .catch((error: unknown) => (isLeaseError(error, "BACKEND_INCOMPATIBLE") ? error : null))
      .then((error) => {
        if (!this.#watches.has(id)) return;
        const isForGood = error instanceof Error || refusals >= MAX_REFUSALS;
        if (!isForGood) return this.#onBroken(null);
        this.#forget(id);
        watch.onClosed(error instanceof Error ? error : refused(cancel_reason));
      });
  }

  #forget(id: string): boolean {
    this.#refusals.delete(id);
    return this.#watches.delete(id);
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
    this.#creating.clear();
    stream?.duplex.then(endStream, () => {});
  }
}
