import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new folder for databases, and how to get rid of it. */
export function newFolder(): { readonly path: string; file(name?: string): string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "lease-sqlite-"));
  return {
    path,
    file: (name = "leases.db") => join(path, name),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}
