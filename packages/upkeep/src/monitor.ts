/**
 * The monitor: finds leases held too long, requests that wait too long and cycles of waits, of any agent, and reports
 * them or acts on them. A small service, safe to run in every process at once: acting twice does no harm.
 *
 * Ages are counted on the store's own wall clock (an answer's `expiresAt` less its `expiresInMs` is the store's now), so
 * machines need not agree on the time; setting that clock moves the ages along.
 */
import {
  type Clock,
  findDeadlocks,
  type Lease,
  type LeaseBackend,
  type LeaseError,
  listAll,
  systemClock,
} from "@lease/core";
import {
  checkAgentId,
  checkNumber,
  checkOptions,
  humanDuration,
  invalidArgument,
  type ReleaseRequest,
} from "@lease/core/backend";
import { createRounds, type Rounds, SERVICE_OPTIONS } from "./rounds.js";

/** Something that the monitor found. */
export type Finding =
  | { readonly kind: "held-too-long"; readonly lease: Lease; readonly ageMs: number }
  | { readonly kind: "waits-too-long"; readonly lease: Lease; readonly ageMs: number }
  /** `lease` is the youngest request of the cycle: the one that would have to give way. */
  | {
      readonly kind: "deadlock";
      readonly lease: Lease;
      readonly cycle: LeaseError<"LEASE_DEADLOCK">["details"]["cycle"];
    };

/**
 * What to do about a finding.
 * - `report`: report it, and leave it alone.
 * - `revoke`: end the lease by force, an active one with the monitor's `graceMs`.
 * - `cancel`: the same for a queued request; a held lease is left alone.
 */
export type MonitorAct = "report" | "revoke" | "cancel";

/** An act, or a function that chooses one for each finding. */
type MonitorPolicy = MonitorAct | ((finding: Finding) => MonitorAct | Promise<MonitorAct>);

/** What the monitor does by default. Milliseconds. */
export const MONITOR_DEFAULTS = Object.freeze({
  intervalMs: 15_000,
  maxHoldMs: 10 * 60_000,
  maxWaitMs: 5 * 60_000,
  /** What the holder of a revoked lease has left to finish. */
  graceMs: 30_000,
  by: "monitor",
});

/** What a monitor looks for, and what it does about it. */
export interface MonitorOptions {
  readonly backend: LeaseBackend;
  /** Milliseconds between two rounds, shortened by chance by up to 30 %. Default 15 000. */
  readonly intervalMs?: number;
  /** A lease held for longer is a finding. Default 10 minutes. */
  readonly maxHoldMs?: number;
  /** A request queued for longer is a finding. Default 5 minutes. */
  readonly maxWaitMs?: number;
  /** Default `report`, for each. */
  readonly onHeldTooLong?: MonitorPolicy;
  readonly onWaitsTooLong?: MonitorPolicy;
  readonly onDeadlock?: MonitorPolicy;
  /** The grace of a revoke. Default 30 000. */
  readonly graceMs?: number;
  /** The agent that is recorded as having revoked. Default `monitor`. */
  readonly by?: string;
  /** Called with every finding once, and with what was done about it. */
  readonly onFinding?: (finding: Finding, act: MonitorAct) => void;
  /** Called after every round that failed; the next round comes anyway. */
  readonly onError?: (error: unknown) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** Looks for what goes on for too long, see {@link createMonitor}. */
export interface Monitor extends Rounds {
  /**
   * One round now: what there is to find, reported or not.
   *
   * @throws the first thing that the backend, a policy or `onFinding` throws, once the others are dealt with
   */
  check(): Promise<Finding[]>;
}

const ACTS: readonly unknown[] = ["report", "revoke", "cancel"] satisfies MonitorAct[];
const POLICIES = ["onHeldTooLong", "onWaitsTooLong", "onDeadlock"] as const;
const MONITOR_OPTIONS = ["maxHoldMs", "maxWaitMs", "graceMs", "by", "onFinding", ...POLICIES] as const;

/**
 * Makes a monitor; it does nothing before `start()`, and alone keeps no process alive.
 *
 * @throws `INVALID_ARGUMENT` naming the option
 */
export function createMonitor(options: MonitorOptions): Monitor {
  checkOptions(options, [...SERVICE_OPTIONS, ...MONITOR_OPTIONS]);
  const settings = { ...MONITOR_DEFAULTS, clock: systemClock, random: Math.random, ...options };
  const { backend, by, graceMs, maxHoldMs, maxWaitMs } = settings;
  checkNumber(settings.intervalMs, "intervalMs", 1);
  checkNumber(maxHoldMs, "maxHoldMs", 1);
  checkNumber(maxWaitMs, "maxWaitMs", 1);
  checkNumber(graceMs, "graceMs", 0);
  checkAgentId(by, "by");
  for (const on of POLICIES) {
    const policy = options[on];
    if (policy !== undefined && typeof policy !== "function") checkAct(policy, on);
  }
  /** What was reported already, so that it is not reported every round. */
  const reported = new Set<string>();

  async function check(): Promise<Finding[]> {
    const leases = await listAll(backend, {});
    const findings: Finding[] = [];
    for (const lease of leases) {
      const ageMs = ageOf(lease);
      if (lease.state === "active" && ageMs > maxHoldMs)
        findings.push({ kind: "held-too-long", lease, ageMs });
      if (lease.state === "pending" && ageMs > maxWaitMs)
        findings.push({ kind: "waits-too-long", lease, ageMs });
    }
    for (const cycle of await findDeadlocks(backend)) {
      const lease = leases.find(({ id }) => id === cycle[0]?.waitingId);
      if (lease !== undefined) findings.push({ kind: "deadlock", lease, cycle });
    }
    const failures: unknown[] = [];
    // One that cannot be dealt with, or whose listener throws, keeps none of the others from it.
    for (const finding of findings) await deal(finding).catch((error: unknown) => failures.push(error));
    const still = new Set(findings.map(keyOf));
    for (const key of reported) if (!still.has(key)) reported.delete(key);
    if (failures.length > 0) throw failures[0];
    return findings;
  }

  async function deal(finding: Finding): Promise<void> {
    const policy = policyFor(finding);
    const act = typeof policy === "function" ? await policy(finding) : policy;
    checkAct(act, "the answer of the policy");
    const request = requestFor(finding, act);
    if (request !== null) await backend.release([request]);
    const key = keyOf(finding);
    if (reported.has(key)) return;
    reported.add(key);
    await settings.onFinding?.(finding, act);
  }

  function policyFor({ kind }: Finding): MonitorPolicy {
    if (kind === "held-too-long") return settings.onHeldTooLong ?? "report";
    return (kind === "deadlock" ? settings.onDeadlock : settings.onWaitsTooLong) ?? "report";
  }

  function requestFor(finding: Finding, act: MonitorAct): ReleaseRequest | null {
    const { lease } = finding;
    if (act === "report" || (act === "cancel" && lease.state === "active")) return null;
    // Asked for back already: its grace runs.
    if (lease.revoking !== null) return null;
    return { kind: "revoke", id: lease.id, by, reason: reasonOf(finding), graceMs };
  }

  return { check, ...createRounds({ ...settings, run: check }) };
}

function checkAct(act: MonitorAct, field: string): void {
  if (!ACTS.includes(act)) throw invalidArgument(field, `must be one of ${ACTS.join(", ")}`);
}

/** How long ago the lease was granted or, pending, was queued, by the store's wall clock. */
function ageOf(lease: Lease): number {
  const storeNow = Date.parse(lease.expiresAt) - lease.expiresInMs;
  return storeNow - Date.parse(lease.acquiredAt ?? lease.requestedAt);
}

function keyOf({ kind, lease }: Finding): string {
  return `${kind} ${lease.id}`;
}

function reasonOf(finding: Finding): string {
  if (finding.kind === "deadlock") return `closes a cycle of ${finding.cycle.length} waits`;
  return `${finding.kind === "held-too-long" ? "held" : "queued"} for ${humanDuration(finding.ageMs)}`;
}
