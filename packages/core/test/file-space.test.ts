/** Real repositories, worktrees, links and configurations, made by the real git. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FileSpace, fileSpace } from "../src/files.js";
import { createLeaseManager } from "../src/manager/manager.js";
import { memoryBackend } from "../src/memory/memory.js";
import { checkResource } from "../src/model/resource.js";
import { expectInvalid } from "./expect-invalid.js";

let base: string;

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "lease-space-")));
});
afterEach(() => {
  rmSync(base, { recursive: true });
});

/** The one key of a path below `base`. */
function key(path: string, cwd = base): string {
  const [resource, ...others] = fileSpace(path, { cwd }).resources;
  expect(others).toEqual([]);
  expect(() => checkResource(resource, "resource")).not.toThrow();
  return resource as string;
}

function make(path: string, text = ""): void {
  mkdirSync(dirname(join(base, path)), { recursive: true });
  writeFileSync(join(base, path), text);
}

function git(folder: string, ...args: string[]): void {
  const identity = ["-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "protocol.file.allow=always"];
  const env = { PATH: process.env.PATH, GIT_CONFIG_NOSYSTEM: "1", HOME: base };
  execFileSync("git", ["-C", join(base, folder), ...identity, ...args], { env, stdio: "pipe" });
}

/** A repository with one commit, so that worktrees can be made of it. */
function repository(folder: string): void {
  mkdirSync(join(base, folder), { recursive: true });
  git(folder, "init", "--quiet");
  git(folder, "commit", "--quiet", "--allow-empty", "--message", "first");
}

describe("one file has one key", () => {
  beforeEach(() => {
    repository("repo");
    make("repo/src/app.ts");
  });

  test("by a relative and an absolute path, a link, a folder below, another working directory", () => {
    symlinkSync("repo/src", join(base, "link"));
    symlinkSync("app.ts", join(base, "repo/src/other.ts"));
    const expected = key("repo/src/app.ts");
    expect(expected).toMatch(/^@[0-9a-f]{16}\/@[0-9a-f]{8}\/src\/app\.ts$/);
    expect(key(join(base, "repo/src/app.ts"), "/")).toBe(expected);
    expect(key("link/app.ts")).toBe(expected);
    expect(key("repo/src/other.ts")).toBe(expected);
    expect(key("app.ts", join(base, "repo/src"))).toBe(expected);
    expect(key("app.ts", join(base, "link"))).toBe(expected);
    expect(key("../src/./app.ts", join(base, "repo/src"))).toBe(expected);
  });

  test("without cwd it starts at the working directory", () => {
    expect(fileSpace("some/file.ts").resources).toEqual([key("some/file.ts", process.cwd())]);
  });

  test("before and after the file is made, with the folders above it", () => {
    const before = key("repo/new/deep/file.ts");
    make("repo/new/deep/file.ts");
    expect(key("repo/new/deep/file.ts")).toBe(before);
  });

  test("through a broken link: the file that writing through it would make", () => {
    symlinkSync("later.ts", join(base, "repo/src/broken.ts"));
    expect(key("repo/src/broken.ts")).toBe(key("repo/src/later.ts"));
    symlinkSync("../outside.ts", join(base, "repo/out.ts"));
    expect(key("repo/out.ts")).toBe(key("outside.ts"));
  });

  test("composed and decomposed", () => {
    expect(key("repo/gr\u00f6\u00dfe")).toBe(key("repo/gro\u0308\u00dfe"));
  });

  test("two spellings of a name are two files where the file system keeps case", () => {
    make("repo/A.ts");
    make("repo/a.ts");
    expect(key("repo/A.ts")).not.toBe(key("repo/a.ts"));
  });

  test("two agents in different folders exclude each other by it", async () => {
    const backend = memoryBackend();
    const one = createLeaseManager({ backend, agentId: "one" });
    const other = createLeaseManager({ backend, agentId: "other" });
    const held = await one.acquire(fileSpace("src/app.ts", { cwd: join(base, "repo") }).resources);
    const folder = fileSpace(join(base, "repo", "src")).resources;
    expect(await other.tryAcquire(folder)).toMatchObject({ granted: false });
    await held.release();
    expect(await other.tryAcquire(folder)).toMatchObject({ granted: true });
    await other.close({ backend: true });
  });
});

describe("the space and the tree", () => {
  test("two repositories with the same paths do not meet", () => {
    repository("one");
    repository("two");
    expect(spaceOf("one/a.ts")).not.toBe(spaceOf("two/a.ts"));
    expect(key("one/a.ts")).not.toBe(key("two/a.ts"));
  });

  test("worktrees are one space of two trees", () => {
    repository("repo");
    git("repo", "worktree", "add", "--quiet", "--detach", "../tree");
    expect(spaceOf("tree/a.ts")).toBe(spaceOf("repo/a.ts"));
    expect(key("tree/a.ts")).not.toBe(key("repo/a.ts"));
    expect(fileSpace("tree/a.ts", { cwd: base })).toMatchObject({ path: "a.ts", root: join(base, "tree") });
  });

  test('with { "scope": "repo" } worktrees are one tree', () => {
    repository("repo");
    git("repo", "worktree", "add", "--quiet", "--detach", "../tree");
    for (const tree of ["repo", "tree"]) make(`${tree}/.lease/config.json`, '{ "scope": "repo" }');
    expect(key("tree/a.ts")).toBe(key("repo/a.ts"));
    expect(key("tree/a.ts")).toMatch(/^@[0-9a-f]{16}\/all\/a\.ts$/);
  });

  test("a configured space is the same wherever it is, and its tree is not", () => {
    for (const place of ["one", "two"]) make(`${place}/.lease/config.json`, '{ "space": "acme-web" }');
    expect(key("one/a.ts")).toMatch(/^acme-web\/@[0-9a-f]{8}\/a\.ts$/);
    expect(spaceOf("two/a.ts")).toBe("acme-web");
    expect(key("two/a.ts")).not.toBe(key("one/a.ts"));
  });

  test("a configured space with one tree: what clones and machines share", () => {
    repository("one");
    for (const place of ["one", "two"]) {
      make(`${place}/.lease/config.json`, '{ "space": "acme-web", "scope": "repo", "url": "http://x" }');
    }
    expect(key("one/src/a.ts")).toBe("acme-web/all/src/a.ts");
    expect(key("two/src/a.ts")).toBe("acme-web/all/src/a.ts");
  });

  test("no git and no configuration: the absolute path, whatever the working directory", () => {
    make("plain/a.ts");
    const expected = key(join(base, "plain/a.ts"), "/");
    expect(expected.replace(/^@[0-9a-f]{16}\//, "")).toBe(`fs${base}/plain/a.ts`);
    expect(key("a.ts", join(base, "plain"))).toBe(expected);
  });

  test("a configuration that names no space makes no root", () => {
    make("plain/.lease/config.json", '{ "url": "http://localhost:1" }');
    expect(key("plain/a.ts")).toContain(`/fs${base}/plain/a.ts`);
  });

  test("a repository inside another one is a space of its own, and so is a submodule", () => {
    repository("part");
    repository("repo");
    repository("repo/vendor/inner");
    git("repo", "submodule", "--quiet", "add", join(base, "part"), "sub");
    expect(new Set([spaceOf("repo/a"), spaceOf("repo/vendor/inner/a"), spaceOf("repo/sub/a")]).size).toBe(3);
    expect(fileSpace("repo/sub/a", { cwd: base }).path).toBe("a");
  });

  test("a .git that is no repository is passed over, as git does", () => {
    repository("repo");
    mkdirSync(join(base, "repo/sub/.git"), { recursive: true });
    make("repo/other/.git", "no gitdir");
    expect(spaceOf("repo/sub/a")).toBe(spaceOf("repo/a"));
    expect(spaceOf("repo/other/a")).toBe(spaceOf("repo/a"));
  });

  test("what lies in .git itself can be claimed", () => {
    repository("repo");
    expect(key("repo/.git/index")).toMatch(/\/\.git\/index$/);
  });

  test("in the middle of a rebase it is the same", () => {
    repository("repo");
    const before = key("repo/a");
    for (const text of ["1", "2"]) {
      make("repo/a", text);
      git("repo", "add", ".");
      git("repo", "commit", "--quiet", "--message", text);
    }
    expect(() => git("repo", "rebase", "--exec", "false", "HEAD~1")).toThrow();
    expect(key("repo/a")).toBe(before);
  });

  function spaceOf(path: string): string | undefined {
    return key(path).split("/")[0];
  }
});

describe("what is gone or broken", () => {
  test("a worktree that was deleted is where it was no repository", () => {
    repository("repo");
    git("repo", "worktree", "add", "--quiet", "--detach", "../tree");
    rmSync(join(base, "tree"), { recursive: true });
    expect(key("tree/a.ts")).toContain(`/fs${base}/tree/a.ts`);
  });

  test("a worktree whose repository was moved away is refused with what to do", () => {
    repository("repo");
    git("repo", "worktree", "add", "--quiet", "--detach", "../tree");
    renameSync(join(base, "repo"), join(base, "moved"));
    expect(expectInvalid("path", () => key("tree/a.ts"))).toMatch(/git worktree repair/);
  });

  test("a working directory that was removed is refused", () => {
    mkdirSync(join(base, "gone"));
    const script = "try { process.cwd() } catch (error) { console.log(error.code) }";
    const shell = `cd ${join(base, "gone")} && rmdir ../gone && exec "$0" -e "$1"`;
    const answer = execFileSync("sh", ["-c", shell, process.execPath, script], { encoding: "utf8" });
    expect(answer).toBe("ENOENT\n");
    const original = process.cwd;
    process.cwd = () => {
      throw Object.assign(new Error("ENOENT: no such file or directory, uv_cwd"), { code: "ENOENT" });
    };
    try {
      expect(expectInvalid("cwd", () => fileSpace("a.ts"))).toMatch(/was removed/);
      expect(fileSpace(join(base, "a.ts")).path).toContain("a.ts");
    } finally {
      process.cwd = original;
    }
  });

  test.each([
    ["{", /is not JSON/],
    ["[]", /must hold an object/],
    ['{ "space": "a b" }', /"space" must be a name/],
    ['{ "space": "@1234" }', /"space" must be a name/],
    ['{ "space": 7 }', /"space" must be a name/],
    ['{ "scope": "all" }', /"scope" must be/],
  ])("the configuration %s is refused: another space in its place would exclude no one", (text, message) => {
    make("place/.lease/config.json", text);
    expect(expectInvalid("config", () => key("place/a.ts"))).toMatch(message);
  });

  test("a configuration that may not be read is refused", () => {
    make("place/.lease/config.json", "{}");
    chmodSync(base, 0o755);
    chmodSync(join(base, "place/.lease/config.json"), 0o000);
    // Root may read everything.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.("nobody");
    try {
      expect(expectInvalid("path", () => key("place/a.ts"))).toMatch(/EACCES/);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });

  test.each<[unknown, RegExp]>([
    ["", /must not be empty/],
    [7, /must be a string/],
    ["a\0", /NUL/],
  ])("the path %j is refused", (path, message) => {
    expect(expectInvalid("path", () => fileSpace(path as string))).toMatch(message);
  });
});

describe("folders", () => {
  const folder = (path: string): FileSpace => fileSpace(path, { cwd: base });

  test("are claimed with everything below: a directory, or what ends in a slash or **", () => {
    repository("repo");
    make("repo/src/app.ts");
    const { prefix } = folder("repo");
    for (const path of ["repo/src", "repo/src/", "repo/src/**", "repo/src//"]) {
      expect(folder(path)).toMatchObject({ resources: [`${prefix}/src/**`], path: "src/**" });
    }
    expect(folder("repo/new/")).toMatchObject({ resources: [`${prefix}/new/**`] });
    expect(folder("repo/new/**")).toMatchObject({ resources: [`${prefix}/new/**`] });
    expect(folder("repo")).toMatchObject({ resources: [`${prefix}/**`], path: "**", searched: true });
    expect(fileSpace("**", { cwd: join(base, "repo") }).resources).toEqual([`${prefix}/**`]);
  });

  test("with the repositories and worktrees inside them, also one inside the other", () => {
    repository("repo");
    git("repo", "worktree", "add", "--quiet", "--detach", "trees/one");
    repository("repo/vendor/inner");
    repository("repo/vendor/inner/deep");
    make("repo/shared/.lease/config.json", '{ "space": "shared" }');
    repository("repo/node_modules/package");
    const whole = folder("repo");
    expect(new Set(whole.resources)).toEqual(
      new Set(
        ["repo", "repo/trees/one", "repo/vendor/inner", "repo/vendor/inner/deep", "repo/shared"].map(
          (place) => `${folder(place).prefix}/**`,
        ),
      ),
    );
    expect(whole.resources[0]).toBe(`${whole.prefix}/**`);
    expect(folder("repo/vendor").resources).toHaveLength(3);
  });

  test("worktrees of one tree are claimed once", () => {
    make("repo/.lease/config.json", '{ "space": "acme", "scope": "repo" }');
    make("repo/copy/.lease/config.json", '{ "space": "acme", "scope": "repo" }');
    expect(folder("repo").resources).toEqual(["acme/all/**"]);
  });

  test("more than sixteen repositories: the others are named as not covered", () => {
    for (let index = 0; index < 18; index += 1) make(`many/r${index}/.git/HEAD`);
    const { resources, notCovered } = folder("many");
    expect(resources).toHaveLength(1 + 16);
    expect(notCovered).toHaveLength(2);
    for (const path of notCovered) expect(dirname(path)).toBe(join(base, "many"));
  });

  test("a broken worktree inside is named as not covered", () => {
    make("place/tree/.git", "gitdir: /nowhere/at/all");
    expect(folder("place").notCovered).toEqual([join(base, "place/tree")]);
  });
});

describe("names that no resource can have", () => {
  test("a key of more than 400 bytes is a claim on the deepest folder that fits", () => {
    repository("repo");
    const long = "x".repeat(190);
    const { prefix } = fileSpace("repo", { cwd: base });
    const space = fileSpace(`repo/a/${long}/${long}/b/c.ts`, { cwd: base });
    expect(space).toMatchObject({ widened: true, resources: [`${prefix}/a/${long}/**`] });
    // Two such files, and the folders above them, meet.
    expect(fileSpace(`repo/a/${long}/${long}/b/`, { cwd: base }).resources).toEqual(space.resources);
    expect(fileSpace(`repo/a/${long}/short`, { cwd: base })).toMatchObject({ widened: false });
  });

  test("of two files with one folder above, both within 400 bytes, none is widened", () => {
    const fits = `${"y".repeat(200)}/${"z".repeat(150)}`;
    repository("repo");
    expect(fileSpace(`repo/${fits}`, { cwd: base })).toMatchObject({ widened: false, path: fits });
  });

  test("a name with a control character is claimed by its folder", () => {
    make("repo/.git/HEAD");
    const { prefix } = fileSpace("repo", { cwd: base });
    expect(fileSpace("repo/src/a\nb", { cwd: base })).toMatchObject({
      widened: true,
      resources: [`${prefix}/src/**`],
    });
    expect(fileSpace("repo/a\nb/c", { cwd: base }).resources).toEqual([`${prefix}/**`]);
  });

  test("a glob is refused, unless a file is really called so", () => {
    make("repo/.git/HEAD");
    expect(expectInvalid("path", () => key("repo/src/*.ts"))).toMatch(/only wildcard/);
    make("repo/src/*.ts");
    expect(key("repo/src/*.ts")).toMatch(/\/src\/\*\*$/);
  });
});

describe("a name with a scheme", () => {
  test.each(["port:5432", "job:nightly/1", "k8s+x:a.b"])("%s stands as it is", (name) => {
    expect(fileSpace(name)).toMatchObject({ resources: [name], prefix: "", path: name });
  });

  test("is checked as any resource, and ./ makes a file of it", () => {
    expectInvalid("path", () => fileSpace("port:*"));
    expectInvalid("path", () => fileSpace("http://localhost/x"));
    expect(key("./port:5432")).toMatch(/\/port:5432$/);
  });
});
