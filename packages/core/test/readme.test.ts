import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as backend from "../src/backend/index.js";
import { LEASE_ERROR_CODES } from "../src/errors.js";
import * as files from "../src/files.js";
import * as core from "../src/index.js";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

/** The code in the first column of the table below a heading. */
function firstColumn(heading: string): string[] {
  const section = readme.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const cells = section.split("\n").map((line) => /^\| (.*?) \|/.exec(line)?.[1] ?? "");
  return cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code));
}

test("the README has a line for every error code, in the order of the table of codes", () => {
  expect(firstColumn("Errors")).toEqual(Object.keys(LEASE_ERROR_CODES));
});

test("the README names nothing that the package does not export", () => {
  const exported = new Set([...Object.keys(core), ...Object.keys(backend), ...Object.keys(files)]);
  const interfaces = ["Ledger", "@lease/core/files", "@lease/core/backend", "@lease/testing"];
  const named = firstColumn("What is in it").filter((name) => !interfaces.includes(name));
  expect(named.length).toBeGreaterThan(8);
  for (const name of named) expect(exported, name).toContain(name);
});
