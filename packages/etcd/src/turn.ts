/**
 * Waiting for one's turn: by a watch on the nearest predecessor's record, and on one's own. When that predecessor
 * ends, those before it are read again, if anything is left to know.
 */

import type { TurnRequest } from "@lease/core/backend";
import type { IEvent } from "etcd3";
import type { Context, QueuedRequest } from "./context.js";
import { inTheWay } from "./keys.js";
import type { BlockerKey, FoundLease } from "./model.js";
import { decodeLease } from "./record.js";
import { queuedOf, readSnapshot } from "./snapshot.js";
import { get } from "./txn.js";

export function turn(context: Context, { id, timeoutMs, signal }: TurnRequest): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      waiter.stop();
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = () => settle();
    // Never longer than a timer takes; a waiter asks again long before.
    const timer = setTimeout(settle, Math.min(timeoutMs, 2 ** 31 - 1));
    const waiter = new Waiter(context, id, settle);
    signal?.addEventListener("abort", onAbort);
    waiter.start();
  });
}

const NOTHING_YET = () => {};

class Waiter {
  readonly #context: Context;
  readonly #id: string;
  readonly #settle: (error?: unknown) => void;
  #stopOwn = NOTHING_YET;
  #stopNearest = () => {};
  #nearest: BlockerKey | undefined;
  #refreshing = false;
  #refreshAgain = false;
  #over = false;

  constructor(context: Context, id: string, settle: (error?: unknown) => void) {
    this.#context = context;
    this.#id = id;
    this.#settle = settle;
  }

  start(): void {
    const queued = this.#context.cache.queued(this.#id);
    if (queued === undefined) this.#refresh();
    else this.#watch(queued);
  }

  stop(): void {
    this.#over = true;
    this.#stopOwn();
    this.#stopNearest();
  }

  /** Watches what this request waits for; what was missed before the watch began is read. */
  #watch(queued: QueuedRequest): void {
    if (this.#over) return;
    if (queued.blockers.size === 0) {
      this.#settle();
      return;
    }
    const nearest = nearestOf(queued);
    if (nearest.id === this.#nearest?.id) return;
    this.#stopNearest();
    this.#nearest = nearest;
    const { watches, keys } = this.#context;
    const common = {
      from: () => null,
      deletesOnly: true,
      // Also when the request was read again meanwhile: by then what is watched may have ended already.
      onWatching: (revision: number) => {
        if (this.#context.cache.queued(this.#id) !== queued || revision > queued.revision) this.#refresh();
      },
      onClosed: (error: Error) => this.#settle(error),
    };
    if (this.#stopOwn === NOTHING_YET) {
      this.#stopOwn = watches.open({
        ...common,
        key: keys.record(this.#id),
        withBefore: false,
        onEvents: () => {
          this.#context.cache.forget(this.#id);
          this.#settle();
        },
      });
    }
    this.#stopNearest = watches.open({
      ...common,
      key: keys.record(nearest.id),
      withBefore: true,
      onEvents: (events) => this.#onEnded(nearest, events),
    });
  }

  /**
   * A blocker that leaves the list is not read again before the promotion, so it must surely have ended: this life
   * of that id, and not one before or after it.
   */
  #onEnded(nearest: BlockerKey, events: readonly IEvent[]): void {
    const queued = this.#context.cache.queued(this.#id);
    const end = events.find(({ kv }) => Number(kv.mod_revision) > nearest.token);
    if (end === undefined || queued?.blockers.get(nearest.id)?.token !== nearest.token) {
      this.#refresh();
      return;
    }
    queued.blockers.delete(nearest.id);
    // It was granted when all that came before it and conflict with it were gone.
    const ended = endedLease(end, nearest);
    if (ended?.state === "active") {
      for (const [id, { token, claims }] of queued.blockers) {
        if (token < nearest.token && claims.some((claim) => inTheWay(ended.claims, claim)))
          queued.blockers.delete(id);
      }
    }
    if (queued.blockers.size === 0) this.#settle();
    else this.#refresh();
  }

  #refresh(): void {
    this.#refreshAgain = true;
    if (this.#refreshing || this.#over) return;
    this.#refreshing = true;
    void this.#readNow()
      .then((queued) => {
        this.#refreshing = false;
        if (this.#over) return;
        if (queued === null) this.#settle();
        else if (this.#refreshAgain) this.#refresh();
        else this.#watch(queued);
      })
      .catch((error: unknown) => this.#settle(error));
  }

  /** The request as it is now; `null` when it is not queued any more. */
  async #readNow(): Promise<QueuedRequest | null> {
    const { cache, connection, keys } = this.#context;
    this.#refreshAgain = false;
    let claims = cache.queued(this.#id)?.lease.claims;
    if (claims === undefined) {
      const { responses } = await connection.read({ success: [get(keys.record(this.#id))] });
      const kv = responses[0]?.response_range.kvs[0];
      if (kv === undefined) return null;
      claims = decodeLease(kv, this.#id).claims;
    }
    const snapshot = await readSnapshot(this.#context, this.#id, claims);
    if (snapshot.lease?.state !== "pending") {
      cache.forget(this.#id);
      return null;
    }
    cache.onQueued(queuedOf(snapshot.lease, snapshot));
    return cache.queued(this.#id) ?? null;
  }
}

function nearestOf({ blockers }: QueuedRequest): BlockerKey {
  let nearest: BlockerKey | undefined;
  for (const blocker of blockers.values())
    if (nearest === undefined || blocker.token > nearest.token) nearest = blocker;
  return nearest as BlockerKey;
}

/** What the record said, if it can be read; where it cannot, the blockers are read again. */
function endedLease({ prev_kv }: IEvent, { id, token }: BlockerKey): FoundLease | null {
  if (prev_kv === null || prev_kv.value.length === 0 || Number(prev_kv.create_revision) !== token)
    return null;
  try {
    return decodeLease(prev_kv, id);
  } catch {
    return null;
  }
}
