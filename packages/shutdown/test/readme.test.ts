/** The example of the README is compiled and run as a stranger would, on the built package; its tables are true. */
import { expect, test } from "vitest";
import { firstExample, readDocument, tryExample } from "../../../test/examples.js";
import { SHUTDOWN_DEFAULTS } from "../src/index.js";
import { world } from "./support.js";

const README = "packages/shutdown/README.md";

test("the example compiles under strict, runs, and exits with 0", async () => {
  const { compiler, stdout, stderr } = await tryExample(firstExample(README));
  expect(compiler + stderr).toBe("");
  expect(stdout.split("\n")).toEqual(["stop 1", "drain 1", "release 0", "sweep 0", "close 0", "exit 0", ""]);
});

test("the phases and the defaults are those of the tables", async () => {
  const { shutdown, phases } = world();
  await shutdown({}).shutDown();
  const rows = [...readDocument(README).matchAll(/^\| `(\w+)` \| (?:([^|]*) \| )?/gm)];
  expect(rows.slice(0, 6).map(([, phase]) => phase)).toEqual(phases.map((line) => line.split(" ")[0]));
  const defaults = Object.fromEntries(rows.map(([, name = "", cell = ""]) => [name, cell.trim()]));
  expect(defaults.timeoutMs?.replace(" ", "")).toBe(String(SHUTDOWN_DEFAULTS.timeoutMs));
  expect(defaults.signals).toBe(SHUTDOWN_DEFAULTS.signals.join(", "));
  expect(defaults.drainMs).toBe("3/4 of `timeoutMs`");
  expect(SHUTDOWN_DEFAULTS.drainPart).toBe(3 / 4);
});
