import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as testing from "../src/index.js";
import { conformanceCases } from "../src/index.js";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const section = (heading: string) => readme.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
const firstColumn = (heading: string) =>
  [...section(heading).matchAll(/^\| ([^|]+) \|/gm)].map(([, cell = ""]) => cell).slice(2);

test("the README names every theme of the suite, and no other", () => {
  const themes = new Set(conformanceCases.map(({ name }) => name.split(":")[0]));
  expect(
    firstColumn("What is held")
      .flatMap((cell) => cell.split(", "))
      .sort(),
  ).toEqual([...themes].sort());
});

test("the README names no tool that the package does not export", () => {
  const named = firstColumn("Tools").map((cell) => cell.replaceAll("`", ""));
  expect(named.length).toBeGreaterThan(3);
  for (const name of named) expect(Object.keys(testing)).toContain(name);
});
