/** The real path of a file, also of one that does not exist yet. */
import { lstatSync, readlinkSync, realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve, sep } from "node:path";
import { LeaseError } from "../errors.js";

/**
 * Not simplified on POSIX, where `link/../x` is beside what the link leads to. Windows simplifies before it looks,
 * and so does Node there.
 */
export function absolute(base: string, path: string): string {
  if (sep === "\\") return resolve(base, path);
  return isAbsolute(path) ? path : `${base}${sep}${path}`;
}

/** As many symlinks to things that are not there as Linux follows of any kind. */
const MAX_LINKS = 40;

/**
 * `realpath`, also of what does not exist yet: what exists is resolved by the system, in its true spelling, and the
 * rest is put behind it. A symlink whose target is missing leads to where the target would be.
 */
export function realPath(path: string, links = { left: MAX_LINKS }): string {
  try {
    return realpathSync.native(path);
  } catch (error) {
    if (!isMissing(error)) refuse("path", `cannot be looked up: ${(error as Error).message}`, error);
  }
  // `join` applies a `.` or `..` to the real parent, after its symlinks.
  const candidate = join(realPath(dirname(path), links), basename(path));
  const target = linkTarget(candidate);
  if (target === null) return candidate;
  links.left -= 1;
  if (links.left < 0) refuse("path", "leads through symlinks in a circle");
  return realPath(absolute(dirname(candidate), target), links);
}

function linkTarget(path: string): string | null {
  return lookUp(() => (lstatSync(path).isSymbolicLink() ? readlinkSync(path) : null));
}

/** What is found, or `null` where nothing is. */
export function lookUp<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (isMissing(error)) return null;
    refuse("path", `cannot be looked up: ${(error as Error).message}`, error);
  }
}

/** ENOTDIR: a file stands where a directory would have to. Nothing is below it (yet). */
export function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}

export function checkPath(path: unknown, field: string): asserts path is string {
  if (typeof path !== "string") refuse(field, "must be a string");
  if (path === "") refuse(field, `must not be empty: "." is the directory itself`);
  if (path.includes("\0")) refuse(field, "contains a NUL character, which no path can");
}

export function refuse(field: string, problem: string, cause?: unknown): never {
  throw new LeaseError(
    "INVALID_ARGUMENT",
    `${field} ${problem}`,
    { field },
    cause === undefined ? {} : { cause },
  );
}
