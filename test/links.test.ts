/** What the documents and the comments point to is in the repository. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
});
const files = tracked.split("\n").filter((file) => existsSync(join(root, file)));

test("every relative link of a document leads somewhere", () => {
  const broken = files
    .filter((file) => file.endsWith(".md"))
    .flatMap((file) => {
      const targets = [...read(file).matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)].map(([, target = ""]) => target);
      return targets
        .filter((target) => !existsSync(join(root, dirname(file), target)))
        .map((target) => `${file}: ${target}`);
    });
  expect(broken).toEqual([]);
});

test("every document that a source names exists", () => {
  const broken = files
    .filter((file) => /^(packages|apps|tools)\/[^/]+\/src\/.*\.ts$/.test(file))
    .flatMap((file) => {
      const names = [...read(file).matchAll(/(?:\/\/|^\s*\/?\*).*?\b([\w./-]+\.md)\b/gm)].map(
        ([, name = ""]) => name,
      );
      const [group = "", owner = ""] = file.split("/");
      const places = [dirname(file), join(group, owner), "."];
      return names
        .filter((name) => !places.some((place) => existsSync(join(root, place, name))))
        .map((name) => `${file}: ${name}`);
    });
  expect(broken).toEqual([]);
});

function read(file: string): string {
  return readFileSync(join(root, file), "utf8");
}
