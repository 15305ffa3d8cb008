import { describe, expect, test } from "vitest";
import { jain, overtakings, quantile, spreadOf } from "../src/frame/stats.ts";

describe("rounds come down to", () => {
  test("their median, the lowest and the highest", () => {
    expect(spreadOf([3, 1, 10])).toEqual({ median: 3, low: 1, high: 10 });
    expect(spreadOf([4, 1, 2, 10])).toEqual({ median: 3, low: 1, high: 10 });
    expect(spreadOf([7])).toEqual({ median: 7, low: 7, high: 7 });
  });

  test("a quantile that so large a part does not exceed", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(quantile(hundred, 0.5)).toBe(51);
    expect(quantile(hundred, 0.99)).toBe(100);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe("Jain's index", () => {
  test("is 1 when all got the same, and 1/n when one got everything", () => {
    expect(jain([5, 5, 5, 5])).toBe(1);
    expect(jain([20, 0, 0, 0])).toBe(0.25);
    expect(jain([0, 0])).toBe(1);
  });

  test("sees that some got more", () => {
    expect(jain([2, 1])).toBeCloseTo(0.9);
  });
});

describe("overtakings", () => {
  test("none where all are served in the order in which they asked", () => {
    const waits = [0, 10, 20, 30].map((askedAt) => ({ askedAt, grantedAt: askedAt + 100 }));
    expect(overtakings(waits, 0)).toBe(0);
  });

  test("each grant that went past somebody who asked before it", () => {
    const waits = [
      { askedAt: 0, grantedAt: 500 },
      { askedAt: 100, grantedAt: 200 },
      { askedAt: 150, grantedAt: 300 },
      { askedAt: 600, grantedAt: 700 },
    ];
    expect(overtakings(waits, 0)).toBe(2);
  });

  test("whoever was still waiting at the end was passed, too", () => {
    const waits = [
      { askedAt: 0, grantedAt: null },
      { askedAt: 100, grantedAt: 200 },
    ];
    expect(overtakings(waits, 0)).toBe(1);
  });

  test("not where two asked at nearly the same time", () => {
    const waits = [
      { askedAt: 0, grantedAt: 200 },
      { askedAt: 1, grantedAt: 100 },
    ];
    expect(overtakings(waits, 5)).toBe(0);
    expect(overtakings(waits, 0.5)).toBe(1);
  });
});
