/** Compares what a backend answers with what the specification answers to the same question. */
import { CheckFailed, sameData } from "../assert.js";

/** How far durations may differ: not at all on one simulated clock. */
export interface Tolerance {
  readonly durationMs: number;
  /** TTLs that a backend rounds up. */
  readonly ttlStepMs: number;
  /** Renewals without a limit are not counted, so their number is not compared. */
  readonly isUncounted: boolean;
}

/** Durations counted when the answer was given. */
const DURATIONS = new Set(["expiresInMs", "retryInMs", "graceInMs"]);
/** What each store words in its own way; only whether there is one can be compared. */
const OPAQUE = new Set(["requestedAt", "acquiredAt", "expiresAt", "at", "cursor", "next"]);

/**
 * Pairs the tokens of two stores. They need not be the same numbers, but must stand in the same order, and one stands
 * for the same lease everywhere.
 */
export class Comparison {
  readonly #tolerance: Tolerance;
  readonly #theirs = new Map<number, number>();
  readonly #ours = new Map<number, number>();

  constructor(tolerance: Tolerance) {
    this.#tolerance = tolerance;
  }

  /** The backend's token for one of the specification's, if it was ever seen. */
  tokenOf(expected: number): number | undefined {
    return this.#theirs.get(expected);
  }

  /** Throws at the first difference, naming where it is. */
  compare(actual: unknown, expected: unknown, path: string): void {
    if (typeof expected !== "object" || expected === null || typeof actual !== "object" || actual === null) {
      if (!sameData(actual, expected)) throw differs(path, actual, expected);
      return;
    }
    if (Array.isArray(expected) !== Array.isArray(actual)) throw differs(path, actual, expected);
    const keys = new Set([...Object.keys(expected), ...Object.keys(actual)]);
    for (const key of keys) {
      if (key === "renewals" && this.#tolerance.isUncounted && (expected as Fields).maxRenewals === null)
        continue;
      this.#compareField(key, (actual as Fields)[key], (expected as Fields)[key], `${path}.${key}`);
    }
  }

  #compareField(key: string, actual: unknown, expected: unknown, path: string): void {
    if (typeof expected === "number" && typeof actual === "number") {
      const slack = this.#slackOf(key);
      if (slack !== undefined) {
        if (Math.abs(actual - expected) > slack) throw differs(path, actual, expected);
        return;
      }
      if (key === "token") {
        this.#pair(actual, expected, path);
        return;
      }
    }
    if (OPAQUE.has(key)) {
      if ((actual === null) !== (expected === null)) throw differs(path, actual, expected);
      return;
    }
    this.compare(actual, expected, path);
  }

  #slackOf(key: string): number | undefined {
    if (DURATIONS.has(key)) return this.#tolerance.durationMs;
    return key === "ttlMs" ? this.#tolerance.ttlStepMs - 1 : undefined;
  }

  #pair(actual: number, expected: number, path: string): void {
    const known = this.#theirs.get(expected);
    if (known === actual) return;
    if (known !== undefined || this.#ours.has(actual)) throw differs(path, actual, known ?? expected);
    for (const [ours, theirs] of this.#theirs) {
      if (ours < expected !== theirs < actual) throw differs(`${path} (its order)`, actual, expected);
    }
    this.#theirs.set(expected, actual);
    this.#ours.set(actual, expected);
  }
}

type Fields = Record<string, unknown>;

function differs(path: string, actual: unknown, expected: unknown): CheckFailed {
  return new CheckFailed(
    `${path}: the specification says ${JSON.stringify(expected)}, the backend ${JSON.stringify(actual)}`,
    expected,
    actual,
  );
}
