/** The two doors of the package: each name in one of them, and few enough to read. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** The names that an index exports, types included. */
function namesOf(index: string): string[] {
  const text = readFileSync(new URL(`../src/${index}`, import.meta.url), "utf8");
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from "[^"]+";$/gm)];
  // An index exports by such lists alone, so all that it exports is counted.
  expect(text.match(/^export /gm)).toHaveLength(lists.length);
  return lists.flatMap(([, list = ""]) =>
    list
      .split(",")
      .map((name) => name.trim().replace(/^type /, ""))
      .filter((name) => name !== ""),
  );
}

const holders = namesOf("index.ts");
const stores = namesOf("backend/index.ts");

test("each name is in exactly one door", () => {
  expect(new Set([...holders, ...stores]).size).toBe(holders.length + stores.length);
});

test("fewer than 120 names in all: who adds one looks for one to take away", () => {
  expect(holders).toContain("createLeaseManager");
  expect(stores).toContain("defineBackend");
  expect(holders.length + stores.length).toBeLessThan(120);
});
