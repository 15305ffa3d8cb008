/** The example of the README is compiled and run as a stranger would, on the built package; its table of options is true. */
import { startEtcd } from "@lease/test-servers";
import { expect, test } from "vitest";
import { firstExample, readDocument, tryExample } from "../../../test/examples.js";
import { DEFAULTS } from "../src/options.js";

const README = "packages/etcd/README.md";

test("the example compiles under strict, runs, and exits with 0", async () => {
  const etcd = await startEtcd();
  try {
    const example = firstExample(README).replace("127.0.0.1:2379", etcd.endpoints[0] ?? "");
    const { compiler, stdout, stderr } = await tryExample(example);
    expect(compiler + stderr).toBe("");
    expect(stdout).toMatch(/^held with fencing token \d+\n$/);
  } finally {
    await etcd.stop();
  }
});

test("the defaults are those of the table", () => {
  const rows = Object.fromEntries(
    [...readDocument(README).matchAll(/^\| `(\w+)` \| ([^|]*) \|/gm)].map(([, name = "", cell]) => [
      name,
      cell,
    ]),
  );
  for (const [name, value] of Object.entries(DEFAULTS)) {
    expect(rows[name]?.replaceAll(/[` "]/g, "")).toBe(String(value));
  }
});
