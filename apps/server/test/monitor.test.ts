/** What the monitor writes to the log. `process.test.ts` has it run by itself. */
import { Writable } from "node:stream";
import { createLeaseId, type LeaseBackend, memoryBackend } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";
import { pino } from "pino";
import { expect, test } from "vitest";
import { reportingMonitor } from "../src/monitor.js";

function monitorOf(backend: LeaseBackend) {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk, _, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  return { lines, monitor: reportingMonitor(backend, pino(sink), { maxHoldMs: 60_000, maxWaitMs: 60_000 }) };
}

const request = (agentId: string, resource: string, holding: string[] = []): AcquireRequest => ({
  id: createLeaseId(),
  agentId,
  claims: [{ resource, mode: "exclusive" }],
  ttlMs: 60_000,
  maxRenewals: null,
  wait: "queue",
  waitTtlMs: 60_000,
  holding,
  reason: "private",
  metadata: { also: "private" },
});

test("a circle of waits is one line, spelled out, without what clients say in confidence", async () => {
  const backend = memoryBackend();
  const [left, right] = [request("anna", "left"), request("ben", "right")];
  const [one, other] = [request("anna", "right", [left.id]), request("ben", "left", [right.id])];
  for (const each of [left, right, one, other]) await backend.acquire(each);
  const { lines, monitor } = monitorOf(backend);
  await monitor.check();
  await monitor.check();
  expect(lines).toMatchObject([
    {
      level: 40,
      finding: "deadlock",
      leaseId: other.id,
      agentId: "ben",
      resources: ["left"],
      cycle: [
        { agentId: "ben", blockedByAgentId: "anna", blockedByResource: "left" },
        { agentId: "anna", blockedByAgentId: "ben", blockedByResource: "right" },
      ],
    },
  ]);
  expect(JSON.stringify(lines)).not.toMatch(/private|token/);
  expect((await backend.list({})).leases).toHaveLength(4);
});

test("a store that does not answer is told, and looked at again", async () => {
  const backend = memoryBackend();
  await backend.close();
  const { lines, monitor } = monitorOf(backend);
  monitor.start();
  await expect.poll(() => lines.length, { timeout: 60_000 }).toBeGreaterThan(0);
  await monitor.stop();
  expect(lines[0]).toMatchObject({ level: 40, err: { code: "CLOSED" } });
});
