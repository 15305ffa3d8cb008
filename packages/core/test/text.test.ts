import fc from "fast-check";
import { expect, test } from "vitest";
import { agentName, hasControlCharacter, humanDuration, quoted, utf8Length } from "../src/text.js";

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

test("foreign text is quoted, escaped and shortened", () => {
  expect(quoted('a "b" \\')).toBe(String.raw`"a \"b\" \\"`);
  expect(quoted("a\u202eb\u2028c\u{e0001}")).toBe(String.raw`"a\u{202e}b\u{2028}c\u{e0001}"`);
  expect(quoted("x".repeat(121))).toBe(`"${"x".repeat(120)}…"`);
});

test("an agent id is quoted where it could be more than a name", () => {
  expect(agentName("ci:runner-7@host.example")).toBe("ci:runner-7@host.example");
  expect(agentName("two words")).toBe('"two words"');
  expect(agentName("x".repeat(65))).toBe(`"${"x".repeat(65)}"`);
});
