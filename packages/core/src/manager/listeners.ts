/**
 * Calls listeners in the order in which they were added. They cannot affect the caller: what a listener throws reaches
 * neither the other listeners nor the protected work.
 */
export class Listeners<E> {
  readonly #listeners = new Set<(event: E) => void>();

  add(listener: (event: E) => void): () => void {
    // Wrapped, so that the same function added twice is two listeners.
    const own = (event: E) => listener(event);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  notify(event: E): void {
    if (this.#listeners.size === 0) return;
    for (const listener of [...this.#listeners]) {
      // What it throws, now or (an async one) later, is the listener's own fault; the others and the lease go on.
      try {
        const answer: unknown = listener(event);
        if (answer instanceof Promise) answer.catch(() => {});
      } catch {}
    }
  }
}
