/** The example of the README is compiled and run as a stranger would, on the built package. */
import { expect, test } from "vitest";
import { firstExample, tryExample } from "../../../test/examples.js";

test("the example compiles under strict, runs, and ends", async () => {
  const { compiler, stdout, stderr } = await tryExample(firstExample("packages/upkeep/README.md"));
  expect(compiler + stderr).toBe("");
  expect(stdout).toBe("0 0\n");
});
