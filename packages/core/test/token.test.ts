import fc from "fast-check";
import { expect, test } from "vitest";
import { isLeaseError } from "../src/errors.js";
import { mintToken } from "../src/model/token.js";

test("a token is the wall clock in microseconds, or one more than the last", () => {
  expect(mintToken(0, 1_700_000_000_000)).toBe(1_700_000_000_000_000);
  expect(mintToken(0, 1_700_000_000_000.25)).toBe(1_700_000_000_000_250);
  expect(mintToken(1_700_000_000_000_000, 1_700_000_000_000)).toBe(1_700_000_000_000_001);
});

test("tokens grow whatever the clock does", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 8_000_000_000_000 }), { minLength: 1 }), (clock) => {
      let last = 0;
      for (const wallNow of clock) {
        const token = mintToken(last, wallNow);
        expect(token).toBeGreaterThan(last);
        expect(Number.isSafeInteger(token)).toBe(true);
        last = token;
      }
    }),
  );
});

test.each([
  ["a clock in the far future", 0, Date.UTC(2256, 0, 1)],
  ["a clock that is no number", 0, Number.NaN],
  ["the last token there is", Number.MAX_SAFE_INTEGER, 0],
])("%s is refused, not rounded", (_what, last, wallNow) => {
  try {
    mintToken(last, wallNow);
    expect.fail("minted");
  } catch (error) {
    expect(isLeaseError(error, "BACKEND_INCOMPATIBLE")).toBe(true);
  }
});
