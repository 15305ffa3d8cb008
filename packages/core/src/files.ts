/**
 * `@lease/core/files`: resources for real files. The only part of this package that touches the file system.
 *
 * A file has many paths (`./x`, `x`, an absolute one, one through a symlink) and must have one resource, or two
 * agents would each hold "the" file. These functions look at the file system and give the one name.
 *
 * What they do not see:
 * - The name is that of the moment. A symlink, or a directory on the way, that is changed later is not followed.
 * - A hard link is a second name of the same file, and is a second resource.
 * - Where a file system ignores case (macOS, Windows), the true spelling is known once the file exists. Before that
 *   `New.ts` and `new.ts` are two resources; agree on one spelling, or claim the directory, to create files.
 * - Names that differ only in their Unicode form (composed or decomposed) are one resource, also on file systems
 *   where they are two files: one claim too wide is harmless, one too narrow is not.
 *
 * They are synchronous: a handful of look-ups, mostly from the system's cache, right where a claim is written.
 *
 * @packageDocumentation
 */
import { lstatSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { LeaseError } from "./errors.js";
import { resourceProblem, subtreeBase } from "./model/resource.js";

/** What files are named relative to. */
export interface FileResourceOptions {
  /**
   * The directory that resources are relative to: it must exist, and everybody who is to agree must use the same
   * one (by whatever path). A relative one starts at the working directory.
   */
  readonly root: string;
}

/**
 * The resource of one file, or of a directory itself without what is in it. The file need not exist yet.
 *
 * @param path - absolute, or relative **to the root**
 * @returns the path from the root with symlinks resolved, `/` as separator, in NFC: `src/app.ts`
 * @throws `INVALID_ARGUMENT` naming `path` or `root`: outside the root, the root itself, a symlink that leads back to
 * itself, a directory that may not be looked into, a name that no resource can have (`*`, `?`, control characters …)
 *
 * @example
 * const lease = await leases.acquire(fileResource("./src/app.ts", { root: projectDir }));
 */
export function fileResource(path: string, options: FileResourceOptions): string {
  const resource = relativeToRoot(path, options);
  if (resource === "") {
    refuse("path", "is the root itself: directoryResource() claims it with all that is in it");
  }
  if (subtreeBase(resource) !== null) {
    refuse("path", `ends in "**": directoryResource() claims a directory with all that is in it`);
  }
  return checked(resource);
}

/**
 * The resource of a directory with everything below it, at any depth: `src/**`, and `**` for the root.
 *
 * @param path - as in {@link fileResource}; it need not exist yet
 * @throws as {@link fileResource}, but takes the root itself
 *
 * @example
 * const lease = await leases.acquire(directoryResource("src", { root: projectDir }));
 */
export function directoryResource(path: string, options: FileResourceOptions): string {
  const resource = relativeToRoot(path, options);
  return checked(resource === "" ? "**" : `${resource}/**`);
}

function relativeToRoot(path: string, options: FileResourceOptions): string {
  checkPath(path, "path");
  if (typeof options?.root !== "string") {
    refuse("root", `must be a string in the second argument, as in { root: process.cwd() }: a directory`);
  }
  checkPath(options.root, "root");
  const root = realRoot(options.root);
  const inside = relative(root, realPath(absolute(root, path), { left: MAX_LINKS }));
  // Another drive of Windows has no relative path.
  if (inside === ".." || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    refuse("path", `${JSON.stringify(path)} lies outside the root ${root}`);
  }
  return inside.split(sep).join("/").normalize("NFC");
}

function realRoot(root: string): string {
  try {
    const real = realpathSync.native(root);
    if (statSync(real).isDirectory()) return real;
  } catch (error) {
    refuse("root", `cannot be looked up: ${(error as Error).message}`, error);
  }
  refuse("root", `${JSON.stringify(root)} is not a directory`);
}

/**
 * Not simplified on POSIX, where `link/../x` is beside what the link leads to. Windows simplifies before it looks,
 * and so does Node there.
 */
function absolute(base: string, path: string): string {
  if (sep === "\\") return resolve(base, path);
  return isAbsolute(path) ? path : `${base}${sep}${path}`;
}

/** As many symlinks to things that are not there as Linux follows of any kind. */
const MAX_LINKS = 40;

/**
 * `realpath`, also of what does not exist yet: what exists is resolved by the system, in its true spelling, and the
 * rest is put behind it. A symlink whose target is missing leads to where the target would be.
 */
function realPath(path: string, links: { left: number }): string {
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
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : null;
  } catch (error) {
    if (isMissing(error)) return null;
    refuse("path", `cannot be looked up: ${(error as Error).message}`, error);
  }
}

/** ENOTDIR: a file stands where a directory would have to. Nothing is below it (yet). */
function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}

function checkPath(path: unknown, field: string): asserts path is string {
  if (typeof path !== "string") refuse(field, "must be a string");
  if (path === "") refuse(field, `must not be empty: "." is the directory itself`);
  if (path.includes("\0")) refuse(field, "contains a NUL character, which no path can");
}

function checked(resource: string): string {
  const problem = resourceProblem(resource);
  if (problem === null) return resource;
  refuse(
    "path",
    `leads to ${JSON.stringify(resource)}, which cannot be a resource: it ${problem}. Rename it, or claim the directory it is in with directoryResource()`,
  );
}

function refuse(field: string, problem: string, cause?: unknown): never {
  throw new LeaseError(
    "INVALID_ARGUMENT",
    `${field} ${problem}`,
    { field },
    cause === undefined ? {} : { cause },
  );
}
