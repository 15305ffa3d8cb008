import { memoryBackend } from "@lease/core";
import { sqliteBackend } from "@lease/sqlite";
import { expect, test, vi } from "vitest";
import { openBackend } from "../src/index.js";

vi.mock("@lease/sqlite", () => ({ sqliteBackend: vi.fn(() => memoryBackend()) }));

test.each([
  ["sqlite:a.db", undefined, "NORMAL"],
  ["sqlite:a.db", { durable: true }, "FULL"],
  ["sqlite:a.db?synchronous=NORMAL", { durable: true }, "NORMAL"],
  ["sqlite:a.db?synchronous=FULL", undefined, "FULL"],
])("%s with %j is opened with synchronous %s", async (url, options, synchronous) => {
  await openBackend(url, options);
  expect(sqliteBackend).toHaveBeenLastCalledWith({ path: "a.db", synchronous });
});
