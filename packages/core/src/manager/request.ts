/**
 * What users say, turned into what a backend is asked.
 */

import { checkBoolean, checkList, checkMode, checkNumber } from "../backend/check.js";
import { invalidArgument } from "../errors.js";
import type { Claim, Mode } from "../model/model.js";
import type { AcquireOptions, HoldSettings, ResourceInput, Resources } from "./api.js";
import { checkOptions } from "./options.js";

/** The options that the calls know. */
const HOLD = ["mode", "ttlMs", "waitTtlMs", "autoRenew", "maxRenewals", "maxHoldMs"] as const;
const REQUEST = ["reason", "metadata", "holding", "signal"] as const;
export const HOLD_SETTINGS: readonly (keyof HoldSettings)[] = ["waitMs", ...HOLD];
export const ACQUIRE_OPTIONS: readonly (keyof AcquireOptions)[] = [...HOLD_SETTINGS, ...REQUEST];
/** It asks once, so there is nothing to wait for. */
export const TRY_OPTIONS: readonly (keyof AcquireOptions)[] = [...HOLD, ...REQUEST];

/** The claims that a call names. Their grammar is checked by the backend. */
export function claimsOf(resources: Resources, mode: Mode): Claim[] {
  const list: unknown = typeof resources === "string" || isClaim(resources) ? [resources] : resources;
  if (!Array.isArray(list)) {
    throw invalidArgument("resources", "must be a resource, a claim or a list of them");
  }
  return list.map((item: ResourceInput, index) => {
    if (typeof item === "string") return { resource: item, mode };
    checkOptions(item, ["resource", "mode"], `claims[${index}]`);
    return { resource: item.resource, mode: item.mode === undefined ? mode : item.mode };
  });
}

/** Checks what only the manager uses of a call's settings; the backend checks what reaches it. */
export function checkSettings(settings: AcquireOptions): void {
  const { mode, ttlMs, waitMs, waitTtlMs, maxHoldMs, autoRenew, holding, signal } = settings;
  if (mode !== undefined) checkMode(mode, "mode");
  if (ttlMs !== undefined && typeof ttlMs !== "number" && typeof ttlMs !== "function") {
    throw invalidArgument("ttlMs", "must be a number of milliseconds or a policy that says it");
  }
  if (waitMs !== undefined) checkNumber(waitMs, "waitMs", 0);
  if (waitTtlMs !== undefined) checkNumber(waitTtlMs, "waitTtlMs", 1);
  if (maxHoldMs !== undefined) checkNumber(maxHoldMs, "maxHoldMs", 1);
  if (autoRenew !== undefined) checkBoolean(autoRenew, "autoRenew");
  if (holding !== undefined) checkList(holding, "holding");
  if (signal !== undefined && typeof signal?.throwIfAborted !== "function") {
    throw invalidArgument("signal", "must be an AbortSignal");
  }
}

function isClaim(resources: Resources): boolean {
  return typeof resources === "object" && resources !== null && "resource" in resources;
}
