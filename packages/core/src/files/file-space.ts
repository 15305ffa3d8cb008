/** `fileSpace()`: the name of a file that all agents agree on without having agreed on a root. */
import { lstatSync, statSync } from "node:fs";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { resourceProblem } from "../model/resource.js";
import { utf8Length } from "../text.js";
import { nestedRoots } from "./nested-roots.js";
import { absolute, checkPath, lookUp, realPath, refuse } from "./real-path.js";
import { rootOf, type SpaceRoot } from "./space-root.js";

/** Where a path starts. */
export interface FileSpaceOptions {
  /** The directory that a relative path starts at. Default: the working directory. */
  readonly cwd?: string;
}

/** What a path is called, and what to claim for it. */
export interface FileSpace {
  /** What to claim for the path, for `acquire`: its own resource first, then those of repositories inside the folder. */
  readonly resources: readonly string[];
  /** `<space>/<tree>`: what the resources of this tree begin with. Empty for a name with a scheme. */
  readonly prefix: string;
  /** The real path of the folder that `path` starts at. Empty for a name with a scheme. */
  readonly root: string;
  /** The path from the root: `src/app.ts`, `src/**` for a folder with all below it; a name with a scheme as given. */
  readonly path: string;
  /** Whether `resources` claims a folder above in place of the file, because the file's own key cannot be a resource. */
  readonly widened: boolean;
  /** Repositories and worktrees inside the folder that `resources` leaves out: more than sixteen, or broken ones. */
  readonly notCovered: readonly string[];
  /** Whether the folder was searched to its end. Where it is not, repositories in it may be left out unnamed. */
  readonly searched: boolean;
}

/** What a resource of a file takes at most, in bytes: what is left of `MAX.resourceBytes` is for those who put a prefix before it. */
const KEY_BYTES = 400;

/** So many repositories inside a folder are claimed with it; a store takes so many claims in one request. */
const MOST_NESTED = 16;

/**
 * The name of a file for everything that shares a store: library, command line, server, git guard.
 *
 * A key is `<space>/<tree>/<path>`. The nearest folder above the file that is the top of a git worktree, or has a
 * `.lease/config.json` with `{ "space": "acme-web" }`, is the root of the path.
 * - The space is the configured one, which machines share. Without one it is made of this machine and the real path of
 *   the repository's common git directory. Outside of both it is that of this machine, with the absolute real path.
 * - The tree is the worktree: the same path in two worktrees is two files. With `{ "scope": "repo" }` in the same
 *   `.lease/config.json` all worktrees, and all machines of a configured space, are one tree.
 *
 * A directory, and a path that ends in `/` or `/**`, is claimed with everything below it, also in the repositories and
 * worktrees inside it. `node_modules` is not searched for them, and symlinks are not followed.
 *
 * A file whose key would take more than 400 bytes, or whose name no resource can have, is claimed by the deepest folder
 * that fits, with all below it. A glob that is no file's name is refused.
 *
 * A name with a scheme, `port:5432` or `job:nightly`, stands as it is; write `./port:5432` for a file of that name.
 *
 * @param path - absolute or relative to `cwd`; the file need not exist
 * @throws `INVALID_ARGUMENT` naming `path`, `cwd` or `config` (a `.lease/config.json` that cannot be used): symlinks in
 * a circle, a directory that may not be looked into, a worktree whose repository is gone
 *
 * @example
 * const lease = await leases.acquire(fileSpace("src/app.ts").resources);
 */
export function fileSpace(path: string, options: FileSpaceOptions = {}): FileSpace {
  checkPath(path, "path");
  if (isNamed(path)) return named(path);
  const folder = folderOf(path);
  const start = isAbsolute(path) ? "" : startOf(options.cwd);
  const real = realPath(absolute(start, folder ?? path));
  const isFolder = folder !== null || isDirectory(real);
  const root = rootOf(real);
  return isFolder ? folderSpace(real, root) : oneFile(real, root);
}

function oneFile(real: string, root: SpaceRoot): FileSpace {
  const path = pathFrom(root, real);
  const resource = key(root, path);
  const problem = resourceProblem(resource);
  if (problem !== null && /[*?{]/.test(path) && !isThere(real)) {
    refuse("path", `leads to ${JSON.stringify(path)}, which ${problem}`);
  }
  const widened = problem !== null || !fits(resource);
  const resources = [widened ? deepestThatFits(root, path) : resource];
  return { ...placeOf(root), path, resources, widened, notCovered: [], searched: true };
}

function folderSpace(real: string, root: SpaceRoot): FileSpace {
  const path = pathFrom(root, real);
  const whole = key(root, path === "" ? "**" : `${path}/**`);
  const widened = resourceProblem(whole) !== null || !fits(whole);
  const { roots, broken, complete } = nestedRoots(real);
  const claimed = roots.slice(0, MOST_NESTED).map((nested) => key(nested, "**"));
  return {
    ...placeOf(root),
    path: path === "" ? "**" : `${path}/**`,
    // Worktrees of one tree have one key.
    resources: [...new Set([widened ? deepestThatFits(root, path) : whole, ...claimed])],
    widened,
    notCovered: [...broken, ...roots.slice(MOST_NESTED).map(({ folder }) => folder)],
    searched: complete,
  };
}

function deepestThatFits(root: SpaceRoot, path: string): string {
  const segments = path.split("/");
  while (segments.length > 1) {
    segments.pop();
    const folder = key(root, `${segments.join("/")}/**`);
    if (fits(folder) && resourceProblem(folder) === null) return folder;
  }
  return key(root, "**");
}

function placeOf(root: SpaceRoot): Pick<FileSpace, "prefix" | "root"> {
  return { prefix: `${root.space}/${root.tree}`, root: root.folder };
}

function key({ space, tree }: SpaceRoot, path: string): string {
  return `${space}/${tree}/${path}`;
}

function fits(resource: string): boolean {
  return utf8Length(resource) <= KEY_BYTES;
}

function pathFrom(root: SpaceRoot, real: string): string {
  return relative(root.folder, real).split(sep).join("/").normalize("NFC");
}

/** Two letters at least, since one letter and a colon are a drive of Windows. */
function isNamed(path: string): boolean {
  return /^[a-z][a-z0-9+.-]+:/.test(path);
}

function named(name: string): FileSpace {
  const problem = resourceProblem(name);
  if (problem !== null) refuse("path", problem);
  const place = { prefix: "", root: "", path: name };
  return { ...place, resources: [name], widened: false, notCovered: [], searched: true };
}

/** The folder of a path that says that it is one: `src/`, `src/**`, `**`, `/`. */
function folderOf(path: string): string | null {
  if (path === "**") return ".";
  if (path === "/" || path === "/**") return "/";
  const [, folder] = /^(.+?)\/+(?:\*\*)?$/s.exec(path) ?? [];
  return folder ?? null;
}

function startOf(cwd: string | undefined): string {
  if (cwd !== undefined) {
    checkPath(cwd, "cwd");
    return resolve(cwd);
  }
  try {
    return process.cwd();
  } catch (error) {
    refuse("cwd", "was removed: change to a directory that is there, or give an absolute path", error);
  }
}

function isDirectory(real: string): boolean {
  return lookUp(() => statSync(real))?.isDirectory() ?? false;
}

function isThere(real: string): boolean {
  return lookUp(() => lstatSync(real)) !== null;
}
