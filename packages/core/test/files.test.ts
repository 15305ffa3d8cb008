import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { directoryResource, fileResource } from "../src/files.js";
import { checkResource } from "../src/model/resource.js";
import { expectInvalid } from "./expect-invalid.js";

let base: string;
let root: string;

beforeEach(() => {
  // The temporary directory is itself behind a symlink on macOS; some tests compare absolute paths.
  base = realpathSync(mkdtempSync(join(tmpdir(), "lease-files-")));
  root = join(base, "project");
  mkdirSync(root);
});
afterEach(() => {
  rmSync(base, { recursive: true });
});

const file = (path: string, from = root) => fileResource(path, { root: from });
const directory = (path: string) => directoryResource(path, { root });

/** Makes a file, with the directories above it. */
function make(path: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), "");
}

function link(path: string, target: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(target, join(root, path));
}

describe.each([
  ["a file that exists", true],
  ["a file that does not exist yet", false],
])("%s has one resource", (_what, exists) => {
  beforeEach(() => {
    if (exists) make("src/app.ts");
  });

  test.each([
    "src/app.ts",
    "./src/app.ts",
    "src//app.ts",
    "src/./app.ts",
    "src/../src/app.ts",
    "../project/src/app.ts",
    "src/app.ts/",
    "src/app.ts/.",
  ])("by the path %s", (path) => {
    expect(file(path)).toBe("src/app.ts");
    expect(file(join(root, "/") + path)).toBe("src/app.ts");
  });

  test("by whatever path the root is given", () => {
    symlinkSync(root, join(base, "link-to-root"));
    for (const from of [
      join(base, "link-to-root"),
      `${root}/`,
      join(root, ".."),
      relative(process.cwd(), root),
    ]) {
      const expected = from === base ? "project/src/app.ts" : "src/app.ts";
      expect(file(join(root, "src/app.ts"), from)).toBe(expected);
    }
    expect(file(join(base, "link-to-root/src/app.ts"))).toBe("src/app.ts");
  });
});

test("the file and its resource before and after it is made", () => {
  const before = file("a/b/c.txt");
  make("a/b/c.txt");
  expect(file("a/b/c.txt")).toBe(before);
});

describe("symlinks", () => {
  test("a link to a file is that file", () => {
    make("real.ts");
    link("link.ts", "real.ts");
    link("other/link.ts", join(root, "link.ts"));
    expect(file("link.ts")).toBe("real.ts");
    expect(file("other/link.ts")).toBe("real.ts");
  });

  test("a linked directory on the way, also to a file that is not there yet", () => {
    make("packages/core/index.ts");
    link("core", "packages/core");
    expect(file("core/index.ts")).toBe("packages/core/index.ts");
    expect(file("core/new/deep.ts")).toBe("packages/core/new/deep.ts");
    expect(directory("core")).toBe("packages/core/**");
  });

  test("`..` leads to the parent of what a link leads to, as it does for the system", () => {
    make("packages/core/index.ts");
    make("packages/beside.ts");
    link("core", "packages/core");
    expect(file("core/../beside.ts")).toBe("packages/beside.ts");
    expect(file("core/../new.ts")).toBe("packages/new.ts");
  });

  test("a dangling link is the file that writing through it would make", () => {
    link("current", "releases/7");
    expect(file("current")).toBe("releases/7");
    expect(file("current/app.js")).toBe("releases/7/app.js");
    link("a/up", "../b/c");
    expect(file("a/up")).toBe("b/c");
    link("first", "second");
    link("second", join(root, "third"));
    expect(file("first")).toBe("third");
  });

  test("a link out of the root is refused", () => {
    writeFileSync(join(base, "secret"), "");
    link("out", "../secret");
    link("dangling-out", "../nothing");
    expectInvalid("path", () => file("out"));
    expectInvalid("path", () => file("dangling-out"));
  });

  test("a link out and in again is taken", () => {
    make("a.ts");
    link("around", "../project/a.ts");
    expect(file("around")).toBe("a.ts");
  });

  test("a circle of links is refused", () => {
    link("loop", "loop");
    link("a", "b");
    link("b", "a");
    // A circle through something missing, which the system reports as missing.
    link("round", "missing/../round");
    for (const path of ["loop", "a", "b/c", "round"]) expectInvalid("path", () => file(path));
  });

  test("a link that changes later is not followed: the name is that of the moment", () => {
    make("v1");
    link("current", "v1");
    const claimed = file("current");
    rmSync(join(root, "current"));
    link("current", "v2");
    expect(claimed).toBe("v1");
    expect(file("current")).toBe("v2");
  });
});

describe("names", () => {
  test("any language, and what is special elsewhere", () => {
    for (const name of ["größe.txt", "日本/語.md", "🙂", "a b", "...", "..a", ".env", "[id].tsx", "a:b"]) {
      make(name);
      expect(file(name)).toBe(name);
    }
  });

  test("composed and decomposed are one resource, whichever is on disk", () => {
    const composed = "gr\u00f6\u00dfe";
    const decomposed = composed.normalize("NFD");
    make(decomposed);
    expect(readdirSync(root)).toEqual([decomposed]);
    expect(file(decomposed)).toBe(composed);
    expect(file(composed)).toBe(composed);
    expect(file(`new/${decomposed}`)).toBe(`new/${composed}`);
  });

  test("a hard link is a second resource, as documented", () => {
    make("one");
    linkSync(join(root, "one"), join(root, "two"));
    expect(file("two")).toBe("two");
  });

  test.each([
    ["a*.ts", /glob "a\*\.ts".*Rename it, or claim the directory/],
    ["what?", /glob/],
    ["{a,b}", /glob/],
    ["new\nline", /control character/],
    ["half \ud83d", /surrogate/],
    ["x".repeat(200).concat("/").repeat(3).concat("y"), /604 bytes/],
  ])("%j is refused with a sentence", (name, message) => {
    expect(expectInvalid("path", () => file(name))).toMatch(message);
  });

  test("a file that is named like a subtree claim does not become one", () => {
    make("src/**");
    expect(expectInvalid("path", () => file("src/**"))).toMatch(/directoryResource/);
    expect(expectInvalid("path", () => file("**"))).toMatch(/directoryResource/);
    expectInvalid("path", () => directory("src/**"));
  });

  test("whatever is taken is a resource", () => {
    for (const path of ["a", "a/b", "./a b/ü"]) {
      expect(() => checkResource(file(path), "resource")).not.toThrow();
      expect(() => checkResource(directory(path), "resource")).not.toThrow();
    }
  });
});

describe("the root", () => {
  test("outside it is refused, with the path and the root", () => {
    for (const path of ["..", "../other", "a/../../other", "/", base, `${root}-other/a`]) {
      const message = expectInvalid("path", () => file(path));
      expect(message).toContain(path);
      expect(message).toContain(root);
    }
  });

  test("itself is no file, but a directory", () => {
    for (const path of [".", "./", "a/..", root]) {
      expect(expectInvalid("path", () => file(path))).toMatch(/directoryResource/);
      expect(directory(path)).toBe("**");
    }
  });

  test("may be the root of the system", () => {
    expect(file(join(root, "a"), "/")).toBe(`${root.slice(1)}/a`);
  });

  test.each<[unknown, RegExp]>([
    [7, /must be a string/],
    ["", /must not be empty/],
    ["a\0", /NUL/],
    ["/nowhere/at/all", /ENOENT/],
  ])("%j is refused", (from, message) => {
    expect(expectInvalid("root", () => file("a", from as string))).toMatch(message);
  });

  test("must be a directory", () => {
    make("file");
    expect(expectInvalid("root", () => file("a", join(root, "file")))).toMatch(/not a directory/);
  });

  test.each([[undefined], [{}], ["/project"]])("must be given as an object, not as %j", (options) => {
    const message = expectInvalid("root", () => fileResource("a", options as unknown as { root: string }));
    expect(message).toContain("{ root: process.cwd() }");
  });
});

describe("directories", () => {
  test("with everything below, there or not, with a trailing slash or not", () => {
    make("src/app.ts");
    for (const path of ["src", "src/", "./src"]) expect(directory(path)).toBe("src/**");
    expect(directory("new/deep")).toBe("new/deep/**");
  });

  test("alone: the directory itself without what is in it", () => {
    make("src/app.ts");
    expect(file("src/")).toBe("src");
  });
});

describe("a path", () => {
  test.each<[unknown, RegExp]>([
    [undefined, /must be a string/],
    [7, /must be a string/],
    ["", /must not be empty/],
    ["a\0b", /NUL/],
    ["x".repeat(300), /cannot be looked up: ENAMETOOLONG/],
  ])("%j is refused", (path, message) => {
    expect(expectInvalid("path", () => file(path as string))).toMatch(message);
  });

  test("below a file is what is not there yet", () => {
    make("a");
    expect(file("a/b/c")).toBe("a/b/c");
  });

  test("that may not be looked into is refused, not guessed", () => {
    const closed = join(root, "closed");
    mkdirSync(closed);
    chmodSync(base, 0o755);
    chmodSync(closed, 0o000);
    // Root may look into everything.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.("nobody");
    try {
      expect(expectInvalid("path", () => file("closed/a"))).toMatch(/EACCES/);
    } finally {
      if (isRoot) process.seteuid?.(0);
      chmodSync(closed, 0o700);
    }
  });
});
