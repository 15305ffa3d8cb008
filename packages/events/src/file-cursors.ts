/**
 * Cursors in a folder, one small file a route, so that routes never wait for or overwrite one another.
 *
 * Own code, because what npm offers for atomic files neither syncs the folder nor brings types (write-file-atomic), or
 * exists as ESM only (atomically).
 */
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { LeaseError } from "@lease/core";
import type { CursorStore } from "./cursors.js";
import { syncFolder } from "./durable.js";

/**
 * Keeps cursors in `<folder>/<sink>.cursor`. A file is replaced whole (written beside, synced, renamed), so that a crash
 * or a power cut at any moment leaves the old cursor or the new one. One router at a time may use a folder.
 *
 * @param folder - is made if it is not there
 */
export function fileCursorStore(folder: string): CursorStore {
  const pathOf = (sink: string) => join(folder, `${sink}.cursor`);
  return {
    async load(sink) {
      const text = await readFile(pathOf(sink), "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return null;
        throw error;
      });
      if (text === null) return null;
      const cursor = /^(\S+)\n$/.exec(text)?.[1];
      if (cursor !== undefined) return cursor;
      throw new LeaseError(
        "BACKEND_CORRUPT",
        `${pathOf(sink)} holds no cursor. Remove it to begin this route anew, or restore it.`,
      );
    },

    async save(sink, cursor) {
      await mkdir(folder, { recursive: true });
      // A fixed name: what a crash leaves behind is overwritten by the next save.
      const beside = `${pathOf(sink)}.new`;
      const file = await open(beside, "w");
      try {
        await file.writeFile(`${cursor}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(beside, pathOf(sink));
      await syncFolder(folder);
    },
  };
}
