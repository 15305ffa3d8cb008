/** The example of the README is compiled and run as a stranger would, and prints what the README quotes. */
import { expect, test } from "vitest";
import { firstExample, readDocument, tryExample } from "../../../test/examples.js";

const README = "packages/agents/README.md";

test("the example compiles under strict, and prints the refusal that is quoted", async () => {
  const { compiler, stdout, stderr } = await tryExample(firstExample(README));
  expect(compiler + stderr).toBe("");
  const quoted = readDocument(README)
    .split("\n")
    .filter((line) => line.startsWith("> "))
    .map((line) => line.slice(2))
    .join(" ");
  // It runs in a folder that is no repository, where a path is absolute.
  expect(stdout.trim().replaceAll(/"[^"]*\/src\/app\.ts"/g, '"src/app.ts"')).toBe(quoted);
});
