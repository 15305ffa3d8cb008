import { describe, expect, test } from "vitest";
import { parseCommand } from "../src/cli/arguments.ts";
import { SCENARIOS } from "../src/scenarios/index.ts";

const parse = (...args: string[]) => parseCommand(args, SCENARIOS);

describe("the command line", () => {
  test("nothing at all runs everything, three rounds of each", () => {
    const command = parse();
    expect(command).toMatchObject({ do: "run", settings: { rounds: 3, peers: true } });
    expect(command).toHaveProperty("choice.scenarios", SCENARIOS);
    expect(command).toHaveProperty("choice.concurrency", null);
  });

  test("options choose, with commas or one by one", () => {
    const command = parse(
      "--backend",
      "redis,etcd",
      "--concurrency",
      "1",
      "--concurrency",
      "32",
      "--no-peers",
    );
    expect(command).toMatchObject({
      do: "run",
      choice: { backends: ["redis", "etcd"], concurrency: [1, 32] },
      settings: { peers: false },
    });
    expect(parse("--scenario", "pairs", "--rounds", "9")).toMatchObject({
      choice: { scenarios: [{ name: "pairs" }] },
      settings: { rounds: 9 },
    });
  });

  test("compare takes two files and a tolerance", () => {
    expect(parse("compare", "a.json", "b.json", "--tolerance", "0.3")).toEqual({
      do: "compare",
      before: "a.json",
      after: "b.json",
      tolerance: 0.3,
    });
  });

  test("help comes before everything else", () => {
    expect(parse("--help", "--rounds", "no number")).toEqual({ do: "help" });
  });

  test.each([
    [["--scenario", "speed"], '--scenario "speed" is not one of pairs'],
    [["--backend", "mysql"], '--backend "mysql" is not one of memory, sqlite, redis, postgres, etcd'],
    [["--rounds", "0"], '--rounds "0" is not a whole number above 0'],
    [["--concurrency", "many"], '--concurrency "many" is not a whole number above 0'],
    [["--fast"], "Unknown option '--fast'"],
    [["redis"], '"redis" is no command'],
    [["compare", "a.json"], "compare takes two files"],
    [
      ["compare", "a.json", "b.json", "--tolerance", "15"],
      '--tolerance "15" is not a number from 0 to below 1',
    ],
  ])("%s is refused in a sentence", (args, sentence) => {
    expect(() => parse(...args)).toThrow(sentence);
  });
});
