/** How far one route has got, and that this is stored: one save at a time, never an older cursor over a newer. */
import type { CursorStore } from "./cursors.js";

/** How long a cursor that only passed over unwanted events may stay unsaved: a busy feed must not cost a sync each. */
const LAZY_MS = 1_000;

export class Progress {
  readonly #save: (cursor: string) => Promise<void>;
  readonly #onFailed: (cursor: string, error: unknown) => void;
  #cursor: string | null = null;
  #saved: string | null = null;
  #saving: Promise<void> = Promise.resolve();
  #later: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(store: CursorStore, sink: string, onFailed: (cursor: string, error: unknown) => void) {
    this.#save = async (cursor) => store.save(sink, cursor);
    this.#onFailed = onFailed;
  }

  /** Everything up to here was delivered. Resolves when that is stored, or could not be. */
  reached(cursor: string): Promise<void> {
    this.#cursor = cursor;
    return this.flush();
  }

  /** Everything up to here needs no delivery; stored within a second. */
  passed(cursor: string): void {
    this.#cursor = cursor;
    this.#later ??= setTimeout(() => void this.flush(), LAZY_MS).unref();
  }

  /** Stores what is not stored yet. Never rejects. */
  flush(): Promise<void> {
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#saving = this.#saving.then(() => this.#write());
    return this.#saving;
  }

  /** From now on nothing is stored: whoever comes next may have got further. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#later);
  }

  async #write(): Promise<void> {
    const cursor = this.#cursor;
    if (cursor === null || cursor === this.#saved || this.#closed) return;
    try {
      await this.#save(cursor);
      this.#saved = cursor;
    } catch (error) {
      this.#onFailed(cursor, error);
    }
  }
}
