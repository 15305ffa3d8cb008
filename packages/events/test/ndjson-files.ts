import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";

/** The ids of a file's lines. */
export function idsIn(path: string): string[] {
  const lines = readFileSync(path, "utf8").split("\n");
  expect(lines.pop()).toBe("");
  return lines.map((line) => JSON.parse(line).id);
}

/** The ids in a folder of `events.ndjson` and what was put away, oldest first. */
export const allIn = (folder: string) =>
  readdirSync(folder)
    .filter((name) => name !== "events.ndjson")
    .sort()
    .concat("events.ndjson")
    .flatMap((name) => idsIn(join(folder, name)));
