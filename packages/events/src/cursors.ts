/**
 * Keeps how far each route has got, so that a restart goes on from there. A store that loses or delays a save costs
 * repeated deliveries, never a missing one; one that invents a cursor breaks the promise.
 */
export interface CursorStore {
  /** The cursor last saved under this name, `null` if there is none. A failure makes `start()` fail. */
  load(sink: string): Promise<string | null>;
  /** Resolves once the cursor is kept. Calls for one name do not overlap. */
  save(sink: string, cursor: string): Promise<void>;
}

/** Keeps cursors in this process: a router stopped and started again goes on, a new process begins at `from`. */
export function memoryCursorStore(): CursorStore {
  const cursors = new Map<string, string>();
  return {
    load: async (sink) => cursors.get(sink) ?? null,
    async save(sink, cursor) {
      cursors.set(sink, cursor);
    },
  };
}
