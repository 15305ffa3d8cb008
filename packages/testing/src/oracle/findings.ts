/** Collects what is found, and words that its sentences share. */
import type { Claim } from "@lease/core";
import type { LoggedCall } from "./log.js";
import type { Violation, ViolationKind } from "./verdict.js";

export class Findings {
  readonly violations: Violation[] = [];

  /** @param calls - the forbidden answer first, then what it contradicts */
  forbid(kind: ViolationKind, why: string, ...calls: readonly (LoggedCall | undefined)[]): void {
    const involved = calls.filter((call) => call !== undefined);
    this.violations.push({ kind, why, calls: [...new Set(involved)] });
  }
}

/** `agent-1's lease 0196… (token 7)` */
export function named(lease: {
  readonly id: string;
  readonly agentId: string;
  readonly token: number;
}): string {
  return `${lease.agentId}'s lease ${lease.id} (token ${lease.token})`;
}

export function claimsText(claims: readonly Claim[]): string {
  return claims.map(({ resource, mode }) => `${mode} "${resource}"`).join(", ");
}

/** Moments as they stand in the log, without the millionths that keep them in order. */
export function at(moment: number): string {
  return String(Math.round(moment * 1000) / 1000);
}
