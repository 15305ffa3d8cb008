/**
 * What this process saw begin and has not seen end: places in the queue and grants. It remembers only what may still live,
 * so it never holds more than the store does.
 */

interface Entry {
  readonly since: number;
  /** When it is over unless it is heard of again. */
  until: number;
}

/** Forgets what died unseen once this many were added since it last looked, or as many as it then kept. */
const LOOK_AFTER = 1000;

export class Seen {
  readonly #entries = new Map<string, Entry>();
  #lookAt = LOOK_AFTER;

  get size(): number {
    return this.#entries.size;
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** It begins now. Times in milliseconds on one monotonic clock. */
  begin(id: string, now: number, livesMs: number): void {
    this.#entries.set(id, { since: now, until: now + livesMs });
    if (this.#entries.size >= this.#lookAt) this.#forget(now);
  }

  /** It lives on. What was not seen to begin stays unknown. */
  extend(id: string, now: number, livesMs: number): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.until = Math.max(entry.until, now + livesMs);
  }

  /** It is over. @returns how long it lasted, at most until its time was up; `null` if it was not seen to begin */
  end(id: string, now: number): number | null {
    const entry = this.#entries.get(id);
    if (entry === undefined) return null;
    this.#entries.delete(id);
    return Math.min(now, entry.until) - entry.since;
  }

  #forget(now: number): void {
    // A minute's grace: the end of what ran out is often heard a little later, from a sweep.
    for (const [id, { until }] of this.#entries) if (until + 60_000 < now) this.#entries.delete(id);
    this.#lookAt = Math.max(LOOK_AFTER, 2 * this.#entries.size);
  }
}
