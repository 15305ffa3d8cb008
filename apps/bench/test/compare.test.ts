import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { cli } from "../src/cli/cli.ts";
import { compareResults } from "../src/result/compare.ts";
import { resultsOf } from "./results.ts";

const ratio = "pairs/redis/16 rate lease : raw ioredis";
const changeOf = (before: number[], after: number[], tolerance = 0.15) =>
  compareResults(resultsOf(before), resultsOf(after), tolerance).changes.find(({ what }) => what === ratio);

describe("two results", () => {
  test("that are the same have no change", () => {
    expect(changeOf([100, 110, 120], [100, 110, 120])).toMatchObject({ change: 0, fell: false });
  });

  test("differ by what the median ratio changed", () => {
    const change = changeOf([100, 100, 100], [70, 75, 80]);
    expect(change?.change).toBeCloseTo(-0.25);
    expect(change?.fell).toBe(true);
  });

  test("may differ by the tolerance", () => {
    expect(changeOf([100, 100, 100], [90, 90, 90])?.fell).toBe(false);
    expect(changeOf([100, 100, 100], [90, 90, 90], 0.05)?.fell).toBe(true);
  });

  test("may differ by what rounds of one run differ by", () => {
    expect(changeOf([60, 100, 140], [50, 70, 90])?.fell).toBe(false);
    expect(changeOf([90, 100, 110], [50, 70, 105])?.fell).toBe(false);
  });

  test("are better when something rose", () => {
    const change = changeOf([100, 100, 100], [200, 200, 200]);
    expect(change).toMatchObject({ change: 1, fell: false });
  });

  test("where less is better, fall by rising", () => {
    const metrics = [{ key: "rate", label: "p50 ms", better: "lower" }] as const;
    const targets = [{ metric: "rate", of: "lease", to: "raw", atMost: 1.5 }] as const;
    const [before, after] = [
      resultsOf([100, 100], { metrics, targets }),
      resultsOf([150, 150], { metrics, targets }),
    ];
    expect(compareResults(before, after, 0.15).changes[0]).toMatchObject({ change: -0.5, fell: true });
    expect(compareResults(after, before, 0.15).changes[0]).toMatchObject({ fell: false });
  });

  test("tell what only one of them has", () => {
    const other = resultsOf([100], { id: "pairs/redis/32" });
    const { changes, onlyBefore, onlyAfter } = compareResults(resultsOf([100]), other, 0.15);
    expect(changes).toEqual([]);
    expect(onlyBefore).toContain(ratio);
    expect(onlyAfter).toContain(ratio.replace("16", "32"));
  });
});

describe("the command compare", () => {
  let folder: string;
  let printed: string[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "lease-bench-test-"));
    printed = [];
    for (const method of ["log", "error"] as const) {
      vi.spyOn(console, method).mockImplementation((text: string) => void printed.push(text));
    }
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await rm(folder, { recursive: true });
  });

  const file = async (name: string, content: unknown) => {
    const path = join(folder, name);
    await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  };

  test("exits with 0 when nothing fell, with 1 when something did, and says so", async () => {
    const before = await file("before.json", resultsOf([100, 100, 100]));
    const after = await file("after.json", resultsOf([70, 70, 70]));
    expect(await cli(["compare", before, before])).toBe(0);
    expect(printed.join("\n")).toContain("None of 2 fell by more than 15 %");
    expect(await cli(["compare", before, after])).toBe(1);
    expect(printed.join("\n")).toContain("2 of 2 fell by more than 15 %");
    expect(await cli(["compare", before, after, "--tolerance", "0.5"])).toBe(0);
  });

  test.each([
    ["no JSON at all", "<html>", "is not JSON"],
    ["somebody else's JSON", { name: "x" }, "holds no benchmark results"],
    ["a version to come", { ...resultsOf([1]), version: 2 }, "is of version 2"],
    ["results with a hole", { ...resultsOf([1]), machine: {} }, "is damaged"],
  ])("refuses %s with 2", async (_, content, sentence) => {
    const good = await file("good.json", resultsOf([100]));
    expect(await cli(["compare", good, await file("bad.json", content)])).toBe(2);
    expect(printed.join("\n")).toContain(sentence);
  });

  test("refuses a file that is not there, and files with nothing in common", async () => {
    const good = await file("good.json", resultsOf([100]));
    expect(await cli(["compare", good, join(folder, "none.json")])).toBe(2);
    expect(printed.join("\n")).toContain("none.json cannot be read (ENOENT)");
    expect(await cli(["compare", good, await file("other.json", resultsOf([1], { id: "else" }))])).toBe(2);
    expect(printed.join("\n")).toContain("no ratio in common");
  });
});

describe("other words", () => {
  test("that nobody knows end with 2, and --help and --list with 0", async () => {
    const printed: string[] = [];
    for (const method of ["log", "error"] as const) {
      vi.spyOn(console, method).mockImplementation((text: string) => void printed.push(text));
    }
    expect(await cli(["--scenario", "speed"])).toBe(2);
    expect(await cli(["--scenario", "http", "--backend", "etcd"])).toBe(2);
    expect(await cli(["--help"])).toBe(0);
    expect(await cli(["--list"])).toBe(0);
    vi.restoreAllMocks();
    expect(printed.join("\n")).toContain("pairs/redis/16");
  });
});
