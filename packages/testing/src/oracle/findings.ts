/** Collects what is found. */
import type { Claim } from "@lease/core";
import type { LoggedCall } from "./log.js";
import type { Violation, ViolationKind } from "./verdict.js";

export class Findings {
  readonly violations: Violation[] = [];
  races = 0;

  /** @param calls - the forbidden answer, then what it contradicts */
  forbid(kind: ViolationKind, why: string, ...calls: readonly (LoggedCall | undefined)[]): void {
    const involved = new Set(calls.filter((call) => call !== undefined));
    this.violations.push({ kind, why, calls: [...involved] });
  }
}

/** How a sentence names a lease. */
export function named(lease: {
  readonly id: string;
  readonly agentId: string;
  readonly token: number;
}): string {
  return `${lease.agentId}'s lease ${lease.id} (token ${lease.token})`;
}

/** How a sentence names claims. */
export function claimsText(claims: readonly Claim[]): string {
  return claims.map(({ resource, mode }) => `${mode} "${resource}"`).join(", ");
}

/** A moment of the log, to a thousandth of a millisecond. */
export function at(moment: number): string {
  return String(Math.round(moment * 1000) / 1000);
}
