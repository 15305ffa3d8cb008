/** The monitor of `@lease/upkeep`, which logs what it finds. It ends no lease: that is for people to decide. */
import type { LeaseBackend } from "@lease/core";
import { createMonitor, type Finding, MONITOR_DEFAULTS, type Monitor } from "@lease/upkeep";
import type { Logger } from "pino";

const SHORTEST_INTERVAL_MS = 1_000;

const SENTENCES: { readonly [kind in Finding["kind"]]: string } = {
  "held-too-long": "a lease is held for longer than LEASE_MAX_HOLD_MS",
  "waits-too-long": "a request is queued for longer than LEASE_MAX_WAIT_MS",
  deadlock: "requests wait for each other in a cycle",
};

export interface MonitorLimits {
  readonly maxHoldMs: number;
  readonly maxWaitMs: number;
}

/** Looks as often as the limits ask for; each finding is one line. */
export function reportingMonitor(backend: LeaseBackend, logger: Logger, limits: MonitorLimits): Monitor {
  const { maxHoldMs, maxWaitMs } = limits;
  const intervalMs = Math.min(MONITOR_DEFAULTS.intervalMs, maxHoldMs, maxWaitMs);
  return createMonitor({
    backend,
    maxHoldMs,
    maxWaitMs,
    intervalMs: Math.max(SHORTEST_INTERVAL_MS, intervalMs),
    onFinding: (finding) => logger.warn(fieldsOf(finding), SENTENCES[finding.kind]),
    onError: (error) =>
      logger.warn({ err: error }, "the monitor could not look; it tries again in the next round"),
  });
}

/** What one needs to find it again; reasons, metadata and tokens are not for logs. */
function fieldsOf(finding: Finding) {
  const { kind, lease } = finding;
  const resources = lease.claims.map(({ resource }) => resource);
  const who = { finding: kind, leaseId: lease.id, agentId: lease.agentId, resources };
  return kind === "deadlock" ? { ...who, cycle: finding.cycle } : { ...who, ageMs: finding.ageMs };
}
