import { type Blocker, describeRefusal, unavailable } from "@lease/core";
import { expect, test } from "vitest";

const claim = (resource: string) => ({ resource, mode: "exclusive" as const });
const blocker: Blocker = {
  id: "01a207ba-6f86-7fba-bb1a-136467ed9d97",
  agentId: "agent-7",
  resource: "src/**",
  mode: "shared",
  state: "active",
  token: 1,
  reason: null,
  expiresInMs: 24_300,
};

test("a refusal without reasons, behind one holder", () => {
  const refusal = { blockers: [blocker], blockerCount: 1, position: 2, retryInMs: 24_300 };
  expect(describeRefusal([claim("src/app.ts")], refusal)).toBe(
    'Not granted: "src/app.ts". agent-7 holds "src/**" shared, for another 24.3 s unless renewed. You are number 2 in line. Next: ask with waitMs to stand in line, or ask again in 24.3 s.',
  );
});

test("a refusal behind a waiter, with others ahead, after waiting", () => {
  const waiter: Blocker = { ...blocker, state: "pending", mode: "exclusive", reason: "release 2.0" };
  const refusal = { blockers: [waiter], blockerCount: 3, position: 4, retryInMs: 800 };
  expect(describeRefusal(["a", "b", "c", "d", "e"].map(claim), refusal, 150_000)).toBe(
    'Not granted after 3 min in line: "a", "b", "c" and 2 more. agent-7 is in line before you for "src/**" exclusive (release 2.0). 2 others are also ahead of you. You are number 4 in line. Next: do something else first, or ask again in 800 ms.',
  );
});

test("one other is said in the singular", () => {
  const refusal = { blockers: [blocker], blockerCount: 2, position: 3, retryInMs: 1 };
  expect(describeRefusal([claim("a")], refusal)).toContain("1 other is also ahead of you.");
});

test("the error carries the refusal and its words", () => {
  const refusal = { blockers: [blocker], blockerCount: 1, position: 2, retryInMs: 24_300 };
  const error = unavailable([claim("a")], refusal);
  expect(error.code).toBe("LEASE_UNAVAILABLE");
  expect(error.details).toEqual(refusal);
  expect(error.message).toBe(describeRefusal([claim("a")], refusal));
});
