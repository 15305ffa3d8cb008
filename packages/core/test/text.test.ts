import fc from "fast-check";
import { expect, test } from "vitest";
import { hasControlCharacter, humanDuration, utf8Length } from "../src/text.js";

test("utf8Length counts what an encoder writes", () => {
  const encoder = new TextEncoder();
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(utf8Length(text)).toBe(encoder.encode(text).length);
    }),
  );
});

test("control characters are category Cc, no others", () => {
  for (const text of ["\0", "\t", "\n", "\u001b[31m", "\u007f", "\u0085"]) {
    expect(hasControlCharacter(text)).toBe(true);
  }
  expect(hasControlCharacter("größe 🙂 \u00a0")).toBe(false);
});

test.each([
  [0, "0 ms"],
  [0.2, "1 ms"],
  [450, "450 ms"],
  [999.5, "1 s"],
  [1000, "1 s"],
  [1150, "1.2 s"],
  [119_999, "120 s"],
  [120_000, "2 min"],
  [121_000, "3 min"],
])("%d ms read as %s", (ms, text) => {
  expect(humanDuration(ms)).toBe(text);
});
