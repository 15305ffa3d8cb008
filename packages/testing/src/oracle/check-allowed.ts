/** Fails a test whose calls were answered as the rule forbids. */
import { CheckFailed } from "../assert.js";
import { judge } from "./judge.js";
import type { JudgeLimits } from "./limits.js";
import type { LoggedCall } from "./log.js";

/** So many violations are printed. */
const SHOWN = 3;

/** @param where - how the message names what was run, such as its seed */
export function checkAllowed(calls: readonly LoggedCall[], limits: JudgeLimits, where: string): void {
  // A store that counts in steps shows times that it looked up a moment before: the cases of the suite judge those.
  const isCoarse = limits.ttlStepMs > 1;
  const violations = judge(calls, limits).violations.filter(({ kind }) => !isCoarse || kind !== "wrong time");
  if (violations.length === 0) return;
  const shown = violations.slice(0, SHOWN).map(({ kind, why, calls }) => {
    return [`${kind}: ${why}`, ...calls.map(callText)].join("\n    ");
  });
  const message = `${where}: the rule forbids what was answered, ${violations.length} times.\n  ${shown.join("\n  ")}`;
  throw new CheckFailed(message, [], violations);
}

function callText({ client, operation, request, sentAt, answeredAt, outcome }: LoggedCall): string {
  return `${client} ${operation} ${sentAt} to ${answeredAt}: ${JSON.stringify(request)} → ${JSON.stringify(outcome)}`;
}
