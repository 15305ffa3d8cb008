/** The repositories, worktrees and spaces inside a folder: their files have names of their own. */
import { type Dirent, readdirSync } from "node:fs";
import { join } from "node:path";
import { rootAt, type SpaceRoot } from "./space-root.js";

export interface NestedRoots {
  readonly roots: readonly SpaceRoot[];
  /** Folders whose space cannot be known: a worktree whose repository is gone, a configuration that is no JSON. */
  readonly broken: readonly string[];
  /** Whether every folder was looked into. */
  readonly complete: boolean;
}

/** What is looked into at most: some tenths of a second. */
const MOST_FOLDERS = 5_000;

/** Not looked into: no work tree of anybody lies in them. */
const SKIPPED = new Set([".git", "node_modules"]);

/** @param folder - a real path; one that does not exist has nothing in it */
export function nestedRoots(folder: string): NestedRoots {
  const roots: SpaceRoot[] = [];
  const broken: string[] = [];
  const left = foldersIn(folder);
  let complete = left !== null;
  const queue = left ?? [];
  for (let looked = 0; queue.length > 0; looked += 1) {
    if (looked === MOST_FOLDERS) return { roots, broken, complete: false };
    const next = queue.shift() as string;
    try {
      const root = rootAt(next);
      if (root !== null) roots.push(root);
    } catch {
      broken.push(next);
    }
    const folders = foldersIn(next);
    if (folders === null) complete = false;
    else queue.push(...folders);
  }
  return { roots, broken, complete };
}

/** The folders right below, symlinks left out; `null` where they cannot be listed. */
function foldersIn(folder: string): string[] | null {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? [] : null;
  }
  return entries
    .filter((entry) => entry.isDirectory() && !SKIPPED.has(entry.name))
    .map(({ name }) => join(folder, name));
}
