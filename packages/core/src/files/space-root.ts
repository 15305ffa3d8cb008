/**
 * The folder that a file is named relative to. It is the nearest folder above the file that is the top of a git
 * worktree or has a `.lease/config.json` that names a space; where there is none, it is the root of the file system.
 */
import { hash } from "node:crypto";
import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { hostId } from "./host.js";
import { isMissing, lookUp, refuse } from "./real-path.js";

export interface SpaceRoot {
  /** A real path. */
  readonly folder: string;
  /** All keys below the folder begin with `<space>/<tree>/`. */
  readonly space: string;
  readonly tree: string;
}

/** What these names begin with when they are derived; no space that is configured can begin so. */
const DERIVED = "@";

/** The tree that all worktrees share with `"scope": "repo"`. */
const ONE_TREE = "all";

/** @param folder - a real path; it need not exist */
export function rootOf(folder: string): SpaceRoot {
  for (let at = folder; ; at = dirname(at)) {
    const root = rootAt(at);
    if (root !== null) return root;
    if (dirname(at) === at) return { folder: at, space: derived("host"), tree: "fs" };
  }
}

/** The root that this very folder is, if it is one. */
export function rootAt(folder: string): SpaceRoot | null {
  const { space, scope } = readConfig(folder);
  const repository = repositoryAt(folder);
  if (space === undefined && repository === null) return null;
  return {
    folder,
    space: space ?? derived("git", repository as string),
    tree: scope === "repo" ? ONE_TREE : derived("tree", folder).slice(0, DERIVED.length + 8),
  };
}

function derived(kind: string, path = ""): string {
  // Sixteen digits: among a million names, the chance that two are equal is below one in ten million.
  return DERIVED + hash("sha256", JSON.stringify([kind, hostId(), path]), "hex").slice(0, 16);
}

interface SpaceConfig {
  readonly space?: string;
  readonly scope?: "repo" | "worktree";
}

/** What is wrong in the file is an error: another space in its place would exclude no one. */
function readConfig(folder: string): SpaceConfig {
  const path = join(folder, ".lease", "config.json");
  const text = readIfThere(path);
  if (text === null) return {};
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    refuse("config", `${path} is not JSON: ${(error as Error).message}`, error);
  }
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    refuse("config", `${path} must hold an object, as in { "space": "acme-web" }`);
  }
  const { space, scope } = config as Record<keyof SpaceConfig, unknown>;
  if (space !== undefined && !(typeof space === "string" && /^[a-z0-9][\w.-]{0,63}$/i.test(space))) {
    refuse("config", `${path}: "space" must be a name of 1 to 64 letters, digits, ".", "_" and "-"`);
  }
  if (scope !== undefined && scope !== "repo" && scope !== "worktree") {
    refuse("config", `${path}: "scope" must be "repo" or "worktree"`);
  }
  return config as SpaceConfig;
}

/** The real path of the git directory that all worktrees of a repository share, if `folder` is the top of one. */
function repositoryAt(folder: string): string | null {
  const gitDir = gitDirAt(folder);
  if (gitDir === null) return null;
  try {
    // A linked worktree says where the common directory is. A submodule does not: it is a repository of its own.
    const common = readIfThere(join(gitDir, "commondir"))?.trim();
    return realpathSync.native(common === undefined ? gitDir : resolve(gitDir, common));
  } catch (error) {
    if (!isMissing(error)) throw error;
    const broken = join(folder, ".git");
    refuse(
      "path",
      `is in a worktree whose repository is gone: ${broken} leads to ${gitDir}. Next: git worktree repair, or remove ${broken}`,
      error,
    );
  }
}

function gitDirAt(folder: string): string | null {
  const dotGit = join(folder, ".git");
  const found = lookUp(() => statSync(dotGit));
  if (found === null) return null;
  // As git has it: a directory without HEAD is no repository, and the search goes on above it.
  if (found.isDirectory()) return lookUp(() => lstatSync(join(dotGit, "HEAD"))) && dotGit;
  const [, named] = /^gitdir: (.+)/.exec(readIfThere(dotGit) ?? "") ?? [];
  return named === undefined ? null : resolve(folder, named.trimEnd());
}

function readIfThere(path: string): string | null {
  return lookUp(() => readFileSync(path, "utf8"));
}
