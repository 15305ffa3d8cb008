/** Counts what is in the files, and says what became of the updates. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LeaseBackend, LeaseEventType } from "@lease/core";
import type { Outcome } from "./play.js";
import { FILES } from "./scenario.js";

export interface Count {
  readonly outcome: Outcome;
  /** Different edits in the files. */
  readonly found: number;
  /** Acknowledged, and not in the files. */
  readonly lost: number;
  /** In the files more often than once. */
  readonly duplicates: number;
}

export function count(outcome: Outcome, root: string): Count {
  const lines = FILES.flatMap((file) => readFileSync(join(root, file), "utf8").split("\n")).filter(Boolean);
  const found = new Set(lines);
  const lost = outcome.acknowledged.filter(({ edit }) => !found.has(edit.line)).length;
  return { outcome, found: found.size, lost, duplicates: lines.length - found.size };
}

/** How often each transition happened, by the history that the backend keeps. */
export async function countEvents(backend: LeaseBackend): Promise<Partial<Record<LeaseEventType, number>>> {
  const counts: Partial<Record<LeaseEventType, number>> = {};
  for await (const { type } of backend.changes({})) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

export function printTable(
  without: Count,
  withLeases: Count,
  events: Partial<Record<LeaseEventType, number>>,
): void {
  const row = (ofBoth: (count: Count) => number) => ({
    "without leases": ofBoth(without),
    "with leases": ofBoth(withLeases),
  });
  const ofLeases = (value = 0) => ({ "with leases": value });
  const { redone } = withLeases.outcome;
  console.table({
    "edits acknowledged": row(({ outcome }) => outcome.acknowledged.length),
    "edits found in the files": row(({ found }) => found),
    "acknowledged and lost": row(({ lost }) => lost),
    "found twice": row(({ duplicates }) => duplicates),
    "leases granted": ofLeases(events.acquired),
    "waits in line": ofLeases(events.queued),
    renewals: ofLeases(events.renewed),
    "leases run out": ofLeases(events.expired),
    "losses noticed by asking": ofLeases(redone.LEASE_LOST),
    "stale writes refused": ofLeases(redone.FENCED),
    seconds: row(({ outcome }) => Math.round(outcome.elapsedMs / 100) / 10),
  });
}

/** What should not be; empty when the demo shows what it is to show. */
export function problems(without: Count, withLeases: Count): string[] {
  const found: string[] = [];
  if (without.lost === 0) found.push("Without leases no update was lost: there was no race.");
  if (withLeases.lost > 0) found.push("With leases, updates were lost.");
  if (withLeases.duplicates > 0) found.push("With leases, updates were made twice.");
  return found;
}
