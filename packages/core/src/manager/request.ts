/**
 * What users say, turned into what a backend is asked.
 */

import { checkBoolean, checkList, checkNumber } from "../backend/check.js";
import { LeaseError } from "../errors.js";
import type { Claim, Mode } from "../model/model.js";
import type { AcquireOptions, Resources } from "./api.js";

/** The claims that a call names. Their grammar is checked by the backend. */
export function claimsOf(resources: Resources, mode: Mode): Claim[] {
  const list: readonly (string | Claim)[] =
    typeof resources === "string" || isClaim(resources) ? [resources] : resources;
  if (!Array.isArray(list)) {
    throw invalid("resources", "must be a resource, a claim or a list of them");
  }
  return list.map((item) => (typeof item === "string" ? { resource: item, mode } : item));
}

/** Checks what only the manager uses of a call's settings; the backend checks what reaches it. */
export function checkSettings(settings: AcquireOptions): void {
  const { ttlMs, waitMs, maxHoldMs, autoRenew, holding, signal } = settings;
  if (ttlMs !== undefined && typeof ttlMs !== "number" && typeof ttlMs !== "function") {
    throw invalid("ttlMs", "must be a number of milliseconds or a policy that says it");
  }
  if (waitMs !== undefined) checkNumber(waitMs, "waitMs", 0);
  if (maxHoldMs !== undefined) checkNumber(maxHoldMs, "maxHoldMs", 1);
  if (autoRenew !== undefined) checkBoolean(autoRenew, "autoRenew");
  if (holding !== undefined) checkList(holding, "holding");
  if (signal !== undefined && typeof signal?.throwIfAborted !== "function") {
    throw invalid("signal", "must be an AbortSignal");
  }
}

export function invalid(field: string, problem: string): LeaseError<"INVALID_ARGUMENT"> {
  return new LeaseError("INVALID_ARGUMENT", `${field} ${problem}`, { field });
}

function isClaim(resources: Resources): resources is Claim {
  return typeof resources === "object" && resources !== null && "resource" in resources;
}
