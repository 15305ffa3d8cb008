import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLeaseId, type LeaseBackend, type LeaseEvent } from "@lease/core";
import { type TestContext, vi } from "vitest";
import type { Report } from "../src/index.ts";

/** A folder that is gone after the test. */
export function temporaryFolder({ onTestFinished }: Pick<TestContext, "onTestFinished">): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "lease-events-")));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** `count` leases that come and go: two events each. */
export async function comeAndGo(backend: LeaseBackend, count: number, agentId = "agent-1"): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const id = await acquire(backend, `job:${n}`, agentId);
    await backend.release([{ kind: "release", id, agentId }]);
  }
}

/** One lease that stays. */
export async function acquire(backend: LeaseBackend, resource: string, agentId = "agent-1"): Promise<string> {
  const id = createLeaseId();
  await backend.acquire({
    id,
    agentId,
    claims: [{ resource, mode: "exclusive" }],
    ttlMs: 60_000,
    maxRenewals: null,
    wait: "no",
    waitTtlMs: 60_000,
    holding: [],
    reason: null,
    metadata: null,
  });
  return id;
}

/** The cursors of the whole history, in order: what every sink must have seen. */
export async function historyOf(backend: LeaseBackend): Promise<string[]> {
  const cursors: string[] = [];
  for await (const event of backend.changes({})) cursors.push(event.cursor);
  return cursors;
}

/** Waits until it no longer throws. */
export async function until(assertion: () => unknown, timeout = 200_000): Promise<void> {
  await vi.waitFor(assertion, { timeout, interval: 5 });
}

/** A sink that remembers, slow or failing as `before` makes it. */
export function memorySink(before: (event: LeaseEvent, signal: AbortSignal) => unknown = () => {}) {
  const cursors: string[] = [];
  const state = { cursors, closed: 0 };
  return Object.assign(state, {
    async deliver(batch: readonly { readonly event: LeaseEvent }[], signal: AbortSignal) {
      for (const { event } of batch) {
        await before(event, signal);
        cursors.push(event.cursor);
      }
    },
    close() {
      state.closed += 1;
    },
  });
}

/** Collects reports, of one type if one is asked for. */
export function reports() {
  const all: Report[] = [];
  return {
    all,
    onReport: (report: Report) => void all.push(report),
    of: <T extends Report["type"]>(type: T) =>
      all.filter((report): report is Extract<Report, { type: T }> => report.type === type),
  };
}

/** A promise to be resolved by hand. */
export function gate(): { readonly open: () => void; readonly opened: Promise<void> } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

/** Fast enough for tests. */
export const QUICK = { firstMs: 5, mostMs: 20 };

/** For tests in which nothing may go wrong. */
export function noReport(report: Report): never {
  throw new Error(`unexpected report: ${JSON.stringify(report)}`);
}
