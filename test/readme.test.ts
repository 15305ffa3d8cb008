/** What a stranger does first: copy the example of a README, compile it, and run it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Examples, firstExample, readDocument, writeExamples } from "./examples.js";

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

function fileOf(readme: string): string {
  return `${readme.replace(/\/?README\.md$/, "").replaceAll("/", "-") || "front-page"}.ts`;
}
