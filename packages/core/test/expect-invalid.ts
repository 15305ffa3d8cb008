import { expect } from "vitest";
import { isLeaseError } from "../src/errors.js";

/** Runs what must be refused as `INVALID_ARGUMENT` naming `field`; returns the message, whose first word is the field. */
export function expectInvalid(field: string, run: () => unknown): string {
  let thrown: unknown;
  try {
    run();
  } catch (error) {
    thrown = error;
  }
  if (!isLeaseError(thrown, "INVALID_ARGUMENT")) {
    expect.fail(`expected INVALID_ARGUMENT for ${field}, got ${String(thrown)}`);
  }
  expect(thrown.details.field).toBe(field);
  expect(thrown.message.startsWith(`${field} `)).toBe(true);
  return thrown.message;
}
