/**
 * What one route has read and not yet delivered: bounded, with a rule for what happens at the bound.
 */
import type { LeaseEvent } from "@lease/core";
import { Bell } from "@lease/core/backend";
import type { WhenFull } from "./policies.js";

/** Events that were given up in a row, or nearly so. */
export interface Dropped {
  readonly count: number;
  readonly first: string;
  readonly last: string;
}

/** What a sink is to be given next. */
export interface Taken {
  /** Empty when there was only something to pass over. */
  readonly events: readonly LeaseEvent[];
  /** How far the route has got once these are delivered. */
  readonly through: string;
}

export class EventBuffer {
  readonly #size: number;
  readonly #whenFull: WhenFull;
  readonly #onDropped: (dropped: Dropped) => void;
  readonly #items: { readonly event: LeaseEvent; through: string }[] = [];
  /** Passed over since the last item was taken. */
  #passed: string | null = null;
  #dropped: Dropped | null = null;
  #ended = false;
  readonly #filled = new Bell();
  readonly #emptied = new Bell();

  constructor(size: number, whenFull: WhenFull, onDropped: (dropped: Dropped) => void) {
    this.#size = size;
    this.#whenFull = whenFull;
    this.#onDropped = onDropped;
  }

  /** Takes an event in, or drops one for it. `false`: there is no room, and nothing may be dropped. */
  offer(event: LeaseEvent): boolean {
    if (this.#items.length < this.#size) {
      this.tellDropped();
    } else if (this.#whenFull === "drop-newest") {
      this.#drop(event);
      this.pass(event.cursor);
      return true;
    } else if (this.#whenFull === "drop-oldest") {
      const oldest = this.#items.shift();
      if (oldest !== undefined) this.#drop(oldest.event);
    } else {
      return false;
    }
    this.#items.push({ event, through: event.cursor });
    this.#passed = null;
    this.#filled.ring();
    return true;
  }

  /** Everything up to this cursor is dealt with once what is in the buffer now is delivered. */
  pass(cursor: string): void {
    const last = this.#items.at(-1);
    if (last !== undefined) last.through = cursor;
    else this.#passed = cursor;
    this.#filled.ring();
  }

  /** Resolves when there is room, or when `signal` aborts. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.#items.length >= this.#size && !signal.aborted) await this.#emptied.wait(signal);
  }

  /** Nothing will be offered any more. */
  end(): void {
    this.tellDropped();
    this.#ended = true;
    this.#filled.ring();
  }

  /** The next events, as soon as there are any; `null` at the end, or when `signal` aborts. */
  async take(most: number, signal: AbortSignal): Promise<Taken | null> {
    while (!signal.aborted) {
      const items = this.#items.splice(0, most);
      const through = items.at(-1)?.through ?? this.#passed;
      if (through !== null) {
        this.#passed = null;
        this.#emptied.ring();
        return { events: items.map((item) => item.event), through };
      }
      if (this.#ended) return null;
      await this.#filled.wait(signal);
    }
    return null;
  }

  /** Says what was dropped. Called when there is room again, at the end, and here after every bufferful. */
  tellDropped(): void {
    const dropped = this.#dropped;
    this.#dropped = null;
    if (dropped !== null) this.#onDropped(dropped);
  }

  #drop({ cursor }: LeaseEvent): void {
    const { count, first } = this.#dropped ?? { count: 0, first: cursor };
    this.#dropped = { count: count + 1, first, last: cursor };
    // A sink that hangs never makes room: that it loses events must be told all the same.
    if (this.#dropped.count >= this.#size) this.tellDropped();
  }
}
