import { expect, test, vi } from "vitest";
import { isLeaseError, LEASE_ERROR_CODES, LeaseError } from "../src/errors.js";

test("an error carries code, details and cause", () => {
  const cause = new Error("disk");
  const error = new LeaseError("INVALID_ARGUMENT", "ttlMs is wrong", { field: "ttlMs" }, { cause });
  expect(error).toBeInstanceOf(Error);
  expect(error.name).toBe("LeaseError");
  expect(error.code).toBe("INVALID_ARGUMENT");
  expect(error.details.field).toBe("ttlMs");
  expect(error.cause).toBe(cause);
  expect(String(error)).toBe("LeaseError: ttlMs is wrong");
});

test("a code without details has empty ones", () => {
  expect(new LeaseError("CLOSED", "closed").details).toEqual({});
  expect(new LeaseError("CLOSED", "closed", undefined, { cause: 1 }).cause).toBe(1);
});

test("isLeaseError asks for any code, or for one of some", () => {
  const error: unknown = new LeaseError("CLOSED", "closed");
  expect(isLeaseError(error)).toBe(true);
  expect(isLeaseError(error, "CLOSED")).toBe(true);
  expect(isLeaseError(error, "LEASE_LOST", "CLOSED")).toBe(true);
  expect(isLeaseError(error, "LEASE_LOST")).toBe(false);
});

test.each([null, undefined, "CLOSED", 7, new Error("no"), { code: "CLOSED" }])("%s is none", (value) => {
  expect(isLeaseError(value)).toBe(false);
});

test("an error of a second copy of the package is one too", async () => {
  vi.resetModules();
  const copy = await import("../src/errors.js");
  const error = new copy.LeaseError("CLOSED", "closed");
  expect(error).not.toBeInstanceOf(LeaseError);
  expect(isLeaseError(error, "CLOSED")).toBe(true);
});

test("the brand is not among what is logged or serialised", () => {
  const error = new LeaseError("CLOSED", "closed");
  expect(Object.keys(error).sort()).toEqual(["code", "details", "name"]);
});

test("every code has a sentence", () => {
  for (const sentence of Object.values(LEASE_ERROR_CODES)) expect(sentence).toMatch(/^[A-Z].*\.$/);
});
