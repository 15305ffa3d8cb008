/**
 * Waiting for one's turn: by a watch on the nearest predecessor's record, and on one's own. When that predecessor
 * ends, those before it are looked at, if anything is left to know.
 */

import type { TurnRequest } from "@lease/core/backend";
import type { IEvent } from "etcd3";
import type { Context, Place } from "./context.js";
import { type BlockerKey, inTheWay } from "./keys.js";
import { lookAt, placeOf } from "./look.js";
import { get } from "./ops.js";
import { decodeLease, type FoundLease } from "./record.js";

export function turn(context: Context, { id, timeoutMs, signal }: TurnRequest): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      waiting.stop();
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = () => settle();
    // Never longer than a timer takes; whoever waits asks again long before.
    const timer = setTimeout(settle, Math.min(timeoutMs, 2 ** 31 - 1));
    const waiting = new Waiting(context, id, settle);
    signal?.addEventListener("abort", onAbort);
    waiting.start();
  });
}

const NOTHING_YET = () => {};

class Waiting {
  readonly #context: Context;
  readonly #id: string;
  readonly #settle: (error?: unknown) => void;
  #stopOwn = NOTHING_YET;
  #stopNearest = () => {};
  #nearest: BlockerKey | undefined;
  #looking = false;
  #lookAgain = false;
  #over = false;

  constructor(context: Context, id: string, settle: (error?: unknown) => void) {
    this.#context = context;
    this.#id = id;
    this.#settle = settle;
  }

  start(): void {
    const place = this.#context.known.place(this.#id);
    if (place === undefined) this.#look();
    else this.#watch(place);
  }

  stop(): void {
    this.#over = true;
    this.#stopOwn();
    this.#stopNearest();
  }

  /** Watches what this request waits for; what was missed before the watch began is looked for. */
  #watch(place: Place): void {
    if (this.#over) return;
    if (place.blockers.size === 0) {
      this.#settle();
      return;
    }
    const nearest = nearestOf(place);
    if (nearest.id === this.#nearest?.id) return;
    this.#stopNearest();
    this.#nearest = nearest;
    const { watches, keys } = this.#context;
    const common = {
      from: () => null,
      deletesOnly: true,
      // Also when the place was looked at anew meanwhile: by then what is watched may have ended already.
      onWatching: (revision: number) => {
        if (this.#context.known.place(this.#id) !== place || revision > place.revision) this.#look();
      },
      onClosed: (error: Error) => this.#settle(error),
    };
    if (this.#stopOwn === NOTHING_YET) {
      this.#stopOwn = watches.open({
        ...common,
        key: keys.record(this.#id),
        withBefore: false,
        onEvents: () => {
          this.#context.known.forget(this.#id);
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
   * What leaves the place's list is not looked at again before the promotion, so it must surely have ended: this life
   * of that id, and not one before or after it.
   */
  #onEnded(nearest: BlockerKey, events: readonly IEvent[]): void {
    const place = this.#context.known.place(this.#id);
    const end = events.find(({ kv }) => Number(kv.mod_revision) > nearest.token);
    if (end === undefined || place?.blockers.get(nearest.id)?.token !== nearest.token) {
      this.#look();
      return;
    }
    place.blockers.delete(nearest.id);
    // Whoever held it was granted when everybody before it who conflicts with it was gone.
    const ended = endedLease(end, nearest);
    if (ended?.state === "active") {
      for (const [id, { token, claims }] of place.blockers) {
        if (token < nearest.token && claims.some((claim) => inTheWay(ended.claims, claim)))
          place.blockers.delete(id);
      }
    }
    if (place.blockers.size === 0) this.#settle();
    else this.#look();
  }

  #look(): void {
    this.#lookAgain = true;
    if (this.#looking || this.#over) return;
    this.#looking = true;
    void this.#lookNow()
      .then((place) => {
        this.#looking = false;
        if (this.#over) return;
        if (place === null) this.#settle();
        else if (this.#lookAgain) this.#look();
        else this.#watch(place);
      })
      .catch((error: unknown) => this.#settle(error));
  }

  /** Where the request stands now; `null` when it does not wait any more. */
  async #lookNow(): Promise<Place | null> {
    const { known, connection, keys } = this.#context;
    this.#lookAgain = false;
    let claims = known.place(this.#id)?.lease.claims;
    if (claims === undefined) {
      const { responses } = await connection.read({ success: [get(keys.record(this.#id))] });
      const kv = responses[0]?.response_range.kvs[0];
      if (kv === undefined) return null;
      claims = decodeLease(kv, this.#id).claims;
    }
    const look = await lookAt(this.#context, this.#id, claims);
    if (look.lease?.state !== "pending") {
      known.forget(this.#id);
      return null;
    }
    known.onPlaced(placeOf(look.lease, look));
    return known.place(this.#id) ?? null;
  }
}

function nearestOf({ blockers }: Place): BlockerKey {
  let nearest: BlockerKey | undefined;
  for (const blocker of blockers.values())
    if (nearest === undefined || blocker.token > nearest.token) nearest = blocker;
  return nearest as BlockerKey;
}

/** What the record said, if it can be read: it need not, whoever is unsure looks. */
function endedLease({ prev_kv }: IEvent, { id, token }: BlockerKey): FoundLease | null {
  if (prev_kv === null || prev_kv.value.length === 0 || Number(prev_kv.create_revision) !== token)
    return null;
  try {
    return decodeLease(prev_kv, id);
  } catch {
    return null;
  }
}
