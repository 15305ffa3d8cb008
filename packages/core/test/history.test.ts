import { expect, test } from "vitest";
import { formatCursor, positionAfter } from "../src/backend/history.js";
import { isLeaseError } from "../src/errors.js";

const bounds = { epoch: "e-1", prunedThrough: 10, last: 20 };

test("a cursor leads back to its position", () => {
  for (const sequence of [10, 11, 20]) {
    expect(positionAfter(formatCursor("e-1", sequence), bounds)).toBe(sequence);
  }
});

test("without a cursor: the oldest entry kept; with `end`: the newest", () => {
  expect(positionAfter(undefined, bounds)).toBe(10);
  expect(positionAfter("end", bounds)).toBe(20);
});

test.each([
  ["an entry after it was pruned", "e-1.9", /pruned/],
  ["it lies past the end, as after a restore", "e-1.21", /past the end/],
  ["it is of another history", "e-2.15", /another history/],
  ["it is no cursor at all", "15", /another history/],
  ["it is empty", "", /another history/],
  ["it has no number", "e-1.", /another history/],
  ["its number is no whole one", "e-1.1e1", /another history/],
  ["its number is negative", "e-1.-1", /another history/],
  ["something follows it", "e-1.15.3", /another history/],
  ["its number is beyond counting", "e-1.9999999999999999", /past the end/],
])("CURSOR_EXPIRED when %s", (_why, cursor, message) => {
  let thrown: unknown;
  try {
    positionAfter(cursor, bounds);
  } catch (error) {
    thrown = error;
  }
  expect(isLeaseError(thrown, "CURSOR_EXPIRED")).toBe(true);
  expect((thrown as Error).message).toMatch(message);
  expect((thrown as Error).message).toMatch(/list\(\)/);
});
