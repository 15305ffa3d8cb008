/**
 * Assertions of our own, so that one suite runs under every test runner: `node:assert` compares prototypes, and under
 * jest an array that came from outside its sandbox has another `Array.prototype`.
 */
import { isLeaseError, type LeaseErrorCode } from "@lease/core";

/** What a failed check throws; runners that know `expected` and `actual` show the difference. */
export class CheckFailed extends Error {
  override readonly name = "CheckFailed";
  readonly expected: unknown;
  readonly actual: unknown;

  constructor(message: string, expected: unknown, actual: unknown) {
    super(message);
    this.expected = expected;
    this.actual = actual;
  }
}

export function check(condition: unknown, message: string): asserts condition {
  if (!condition) throw new CheckFailed(message, true, condition);
}

/** Compares plain data by value; a property that is `undefined` counts as left out. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  if (!sameData(actual, expected)) {
    throw new CheckFailed(`${what}: expected ${shown(expected)}, got ${shown(actual)}`, expected, actual);
  }
}

/** `low <= actual <= high` */
export function within(actual: number, low: number, high: number, what: string): void {
  if (!(actual >= low && actual <= high)) {
    throw new CheckFailed(`${what}: expected ${low} to ${high}, got ${actual}`, [low, high], actual);
  }
}

/** Expects a rejection with a `LeaseError` of this code and, if given, naming this field. */
export async function rejects(
  promise: Promise<unknown>,
  code: LeaseErrorCode,
  what: string,
  field?: string,
): Promise<void> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if (!("error" in outcome)) {
    throw new CheckFailed(`${what}: expected ${code}, got the answer ${shown(outcome.value)}`, code, outcome);
  }
  const { error } = outcome;
  if (!isLeaseError(error, code)) {
    const failure = new CheckFailed(`${what}: expected ${code}, got ${String(error)}`, code, error);
    failure.cause = error;
    throw failure;
  }
  if (field !== undefined)
    equal((error.details as { field?: string }).field, field, `${what}: the field named`);
}

/** Deep equality of plain data, whatever realm it was made in. */
export function sameData(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) =>
    sameData((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  );
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 600 ? text : `${text.slice(0, 600)}…`;
}
