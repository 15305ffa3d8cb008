import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX } from "../src/model/max.js";
import { checkResource, coveringSubtrees, subtreeBase } from "../src/model/resource.js";
import { resource } from "./arbitraries.js";
import { expectInvalid } from "./expect-invalid.js";

const refusal = (value: unknown) => expectInvalid("resource", () => checkResource(value, "resource"));

describe("a resource may be", () => {
  test.each([
    "src/app.ts",
    "port:5432",
    "job:42",
    "src/**",
    "**",
    "app/[id]/page.tsx",
    "a{b}c",
    "{}",
    "...",
    ".env",
    "a b",
    "größe/日本/🙂",
    "C:\\temp",
    "x".repeat(MAX.resourceBytes),
    "ü".repeat(MAX.resourceBytes / 2),
  ])("%s", (value) => {
    expect(() => checkResource(value, "resource")).not.toThrow();
  });
});

describe("a resource may not be, and the refusal says what to do", () => {
  test.each<[string, unknown, RegExp]>([
    ["something else", 42, /must be a string/],
    ["empty", "", /must not be empty/],
    ["half a surrogate pair", "a\ud83d", /well-formed Unicode/],
    ["too long", "x".repeat(MAX.resourceBytes + 1), /takes 513 bytes of UTF-8, more than 512/],
    ["too long in bytes, not in characters", "ü".repeat(257), /takes 514 bytes/],
    ["holding a newline", "a\nb", /control character/],
    ["holding a NUL", "a\0", /control character/],
    ["holding a C1 control", "a\u0085b", /control character/],
    ["decomposed", "u\u0308", /\.normalize\("NFC"\)/],
    ["absolute", "/a", /no leading, trailing or double slash \(fileResource/],
    ["ending in a slash", "a/", /no leading, trailing or double slash/],
    ["holding an empty segment", "a//b", /no leading, trailing or double slash/],
    ["a slash", "/", /no leading, trailing or double slash/],
    ["relative", "./a", /segment "\.".*use fileResource\(\)/],
    ["climbing", "a/../b", /segment "\.\.".*use fileResource\(\)/],
    ["a star", "src/*.ts", /glob "\*\.ts": the only wildcard is "\*\*" as the last segment.*one by one/],
    ["a wildcard in the middle", "src/**/a", /glob "\*\*"/],
    ["a wildcard within a segment", "src/a**", /glob "a\*\*"/],
    ["a question mark", "a?", /glob "a\?"/],
    ["a choice", "src/{a,b}.ts", /glob "\{a,b\}\.ts"/],
    ["a choice within braces", "{x{a,b}", /glob/],
  ])("%s", (_what, value, message) => {
    expect(refusal(value)).toMatch(message);
  });

  test("the field is named as the caller names it", () => {
    expectInvalid("claims[3].resource", () => checkResource("", "claims[3].resource"));
  });
});

test("segment by segment, whatever shape a resource has", () => {
  const piece = fc.constantFrom(
    "a",
    "B_9",
    "-",
    "@x",
    "a.b",
    ".",
    "..",
    ".a",
    "**",
    "*",
    "a*",
    "",
    "é",
    "a b",
  );
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 5 }), (segments) => {
      const isRight = segments.every(
        (segment, index) =>
          !["", ".", ".."].includes(segment) &&
          (!segment.includes("*") || (segment === "**" && index === segments.length - 1)),
      );
      const check = () => checkResource(segments.join("/"), "resource");
      if (isRight) expect(check).not.toThrow();
      else expectInvalid("resource", check);
    }),
    { numRuns: 2_000 },
  );
});

test("a hostile resource is refused or taken in no time", () => {
  const half = MAX.resourceBytes / 2;
  const started = process.cpuUsage();
  for (let run = 0; run < 100; run += 1) {
    checkResource("{".repeat(170) + ",".repeat(342), "resource");
    checkResource("{,".repeat(half), "resource");
  }
  // It takes 10 ms of processor time; a form that backtracks took 1800.
  expect(process.cpuUsage(started).user / 1000).toBeLessThan(500);
});

test("the base of a subtree", () => {
  expect(subtreeBase("src/app/**")).toBe("src/app");
  expect(subtreeBase("**")).toBe("");
  expect(subtreeBase("src/app")).toBeNull();
  expect(subtreeBase("src/app**")).toBeNull();
});

test("the subtrees that cover a resource, widest first", () => {
  expect(coveringSubtrees("a/b")).toEqual(["**", "a/**", "a/b/**"]);
  expect(coveringSubtrees("a/b/**")).toEqual(["**", "a/**"]);
  expect(coveringSubtrees("a")).toEqual(["**", "a/**"]);
  expect(coveringSubtrees("a/**")).toEqual(["**"]);
  expect(coveringSubtrees("**")).toEqual([]);
});

test("covering subtrees are resources themselves", () => {
  fc.assert(
    fc.property(resource, (value) => {
      for (const covering of coveringSubtrees(value)) checkResource(covering, "resource");
    }),
  );
});
