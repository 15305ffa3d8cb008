/** What a stranger does first: copy the example of a README, compile it, and run it. */
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Examples, firstExample, readDocument, tryExample, writeExamples } from "./examples.js";

/** The READMEs whose first TypeScript block is a whole program. Those that need a server are run by their package. */
const readmes = [
  "README.md",
  "packages/core/README.md",
  "packages/sqlite/README.md",
  "packages/connect/README.md",
  "packages/testing/README.md",
];

let examples: Examples;

beforeAll(() => {
  examples = writeExamples(
    Object.fromEntries(readmes.map((readme) => [fileOf(readme), firstExample(readme)])),
  );
});

afterAll(() => examples.remove());

test("the examples compile under strict", async () => {
  expect(await examples.compile()).toBe("");
});

test.each(readmes)("the example of %s runs", async (readme) => {
  expect((await examples.run(fileOf(readme))).stderr).toBe("");
});

test("the example of the front page prints the refusal that the front page quotes", async () => {
  const { stdout } = await examples.run(fileOf("README.md"));
  const quoted = readDocument("README.md")
    .split("\n")
    .filter((line) => line.startsWith("> "))
    .map((line) => line.slice(2))
    .join(" ")
    .replaceAll("\\*", "*");
  expect(stdout).toContain(quoted);
});

test("the example of core's README about files prints what its comments say", async () => {
  const [, code = ""] = readDocument("packages/core/README.md").split("\n## Resources and modes\n");
  const example = /^```ts\n(.*?)^```/ms.exec(code)?.[1] ?? "";
  const { compiler, stdout, stderr } = await tryExample(example);
  expect(compiler + stderr).toBe("");
  const said = [...example.matchAll(/\/\/ ([^\s,]+)/g)].map(([, resource]) => resource);
  expect(stdout.split("\n")).toEqual([...said, ""]);
  expect(said).toHaveLength(3);
});

const root = fileURLToPath(new URL("..", import.meta.url));

test.each(["README.md", ...globSync("packages/*/README.md", { cwd: root })])(
  "%s says how to install what its example imports",
  (readme) => {
    const [opening = ""] = readDocument(readme).split("\n```ts\n");
    const [, line = ""] = /^```sh\nnpm install ([^#\n]*)/m.exec(opening) ?? [];
    const installed = line.trim().split(/ +/);
    const imported = [...firstExample(readme).matchAll(/from "(@[^/"]+\/[^/"]+|[^@./"][^/"]*)/g)].map(
      ([, name = ""]) => name,
    );
    expect(installed).toEqual(expect.arrayContaining(imported.filter((name) => !name.startsWith("node:"))));
    if (readme !== "README.md")
      expect(installed).toContain(readme.replace(/^packages(\/.*)\/README.md$/, "@lease$1"));
  },
);

function fileOf(readme: string): string {
  return `${readme.replace(/\/?README\.md$/, "").replaceAll("/", "-") || "front-page"}.ts`;
}
