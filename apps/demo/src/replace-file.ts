import { renameSync, writeFileSync } from "node:fs";

/** Replaces a file in one step: a reader finds the old text or the new one, whenever this process dies. */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { flush: true });
  renameSync(temporary, path);
}
