/** Resources relative to a directory that the caller names. */
import { realpathSync, statSync } from "node:fs";
import { isAbsolute, relative, sep } from "node:path";
import { resourceProblem, subtreeBase } from "../model/resource.js";
import { absolute, checkPath, realPath, refuse } from "./real-path.js";

/** What files are named relative to. */
export interface FileResourceOptions {
  /**
   * The directory that resources are relative to: it must exist, and all agents that share it must use the same one (by
   * any path). A relative one starts at the working directory.
   */
  readonly root: string;
}

/**
 * The resource of one file, or of a directory itself without what is in it. The file need not exist yet.
 *
 * The root is a space of its own: its resources never meet those of `fileSpace()`. Use one of the two for one store.
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
  const inside = relative(root, realPath(absolute(root, path)));
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

function checked(resource: string): string {
  const problem = resourceProblem(resource);
  if (problem === null) return resource;
  refuse(
    "path",
    `leads to ${JSON.stringify(resource)}, which cannot be a resource: it ${problem}. Rename it, or claim the directory it is in with directoryResource()`,
  );
}
