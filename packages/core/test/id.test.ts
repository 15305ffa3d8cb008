import { expect, onTestFinished, test, vi } from "vitest";
import { checkId } from "../src/backend/check.js";
import { createLeaseId } from "../src/id.js";

test("an id is a UUID of version 7: time, version, variant, chance (RFC 9562, section 5.7)", () => {
  const wallNow = Date.UTC(2026, 6, 1, 12, 0, 0, 123);
  const id = createLeaseId(wallNow);
  expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  expect(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)).toBe(wallNow);
  expect(() => checkId(id, "id")).not.toThrow();
});

test("a fraction of a millisecond is cut off", () => {
  expect(createLeaseId(1234.9).slice(0, 13)).toBe("00000000-04d2");
});

test("ids sort by time and never repeat", () => {
  const ids = [0, 1, 2 ** 32 - 1, 2 ** 32, Date.UTC(2026, 0, 1), Date.UTC(5000, 0, 1)].map(createLeaseId);
  expect([...ids].sort()).toEqual(ids);
  expect(new Set(Array.from({ length: 10_000 }, () => createLeaseId(0))).size).toBe(10_000);
});

test("the time is now unless given", () => {
  const before = createLeaseId(Date.now()).slice(0, 13);
  expect(createLeaseId().slice(0, 13) >= before).toBe(true);
});

test.each([undefined, {}])(
  "a runtime without randomness is refused by name, as Node 18 (crypto: %j)",
  (crypto) => {
    vi.stubGlobal("crypto", crypto);
    onTestFinished(() => void vi.unstubAllGlobals());
    expect(() => createLeaseId()).toThrow(
      expect.objectContaining({ code: "BACKEND_INCOMPATIBLE", message: expect.stringContaining("Node 22") }),
    );
  },
);
