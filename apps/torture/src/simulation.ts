/**
 * The event loop of a simulated world: events at moments of true time, which no machine of that world can read. After
 * each event all promises settle before the next one runs, so a run depends on nothing but its seed.
 */
import { setImmediate } from "node:timers";

interface Event {
  readonly at: number;
  readonly order: number;
  run: (() => void) | null;
}

export class Simulation {
  /** True time in ms since the beginning. */
  now = 0;
  /** How many events ran. */
  events = 0;
  /** A binary heap by moment, then by order of creation. */
  readonly #heap: Event[] = [];
  #created = 0;

  /** Runs `run` once after `ms`, unless the returned function was called first. */
  after(ms: number, run: () => void): () => void {
    this.#created += 1;
    const event: Event = { at: this.now + Math.max(0, ms), order: this.#created, run };
    this.#push(event);
    return () => {
      event.run = null;
    };
  }

  /**
   * Runs what falls due up to `until`, one event at a time.
   *
   * @param isOver - asked after each event once promises settled; `true` ends the run there
   */
  async runUntil(until: number, isOver: () => boolean): Promise<void> {
    for (let next = this.#heap[0]; next !== undefined && next.at <= until; next = this.#heap[0]) {
      this.#pop();
      if (next.run === null) continue;
      this.now = next.at;
      this.events += 1;
      next.run();
      await settled();
      if (isOver()) return;
    }
    this.now = until;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let index = heap.length;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above] as Event;
      if (isBefore(parent, event)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      const below = heap[child] as Event;
      if (isBefore(last, below)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Promises settle between two turns of the real event loop: nothing here does I/O. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
