/** Turns the steps of a plan into requests: names get their ids, words their times. */
import type { AcquireRequest, BackendLimits, ReleaseRequest, RenewRequest } from "@lease/core/backend";
import type { Action, Plan, ReleaseStep, RenewStep, Slot, Span } from "./plan.js";

/** In real time a machine may stall for this long without the comparison taking it for a difference. */
export const STALL_MS = 20_000;

export class Phrases {
  readonly spans: Readonly<Record<Span, number>>;
  readonly #plan: Plan;
  readonly #limits: BackendLimits;

  constructor(plan: Plan, limits: BackendLimits, simulated: boolean) {
    const { minTtlMs, ttlStepMs } = limits;
    const spanMs = (ms: number) => Math.ceil(Math.max(minTtlMs, ms) / ttlStepMs) * ttlStepMs;
    this.#plan = plan;
    this.#limits = limits;
    this.spans = simulated
      ? { short: spanMs(1_000), middle: spanMs(3_000), long: spanMs(10_000) }
      : { short: spanMs(40), middle: spanMs(STALL_MS * 3), long: spanMs(STALL_MS * 6) };
  }

  acquire(action: Omit<Extract<Action, { do: "acquire" }>, "do">): AcquireRequest {
    const slot = this.#slot(action.slot);
    return {
      id: id(action.slot),
      agentId: agentId(slot.agent + Number(action.byStranger)),
      claims: action.otherClaims ? [{ resource: "another", mode: "shared" }] : slot.claims,
      ttlMs: this.spans[slot.ttl],
      maxRenewals: slot.maxRenewals,
      wait: action.wait,
      waitTtlMs: this.spans[action.waitTtl],
      holding: action.slot > 0 ? [id(action.slot - 1)] : [],
      reason: slot.reason,
      metadata: slot.reason === null ? null : { slot: action.slot },
    };
  }

  /** @param counted - the renewals counted so far */
  renew(step: RenewStep, token: number | undefined, counted: number): RenewRequest {
    const slot = this.#slot(step.slot);
    const counts = { next: counted + 1, same: Math.max(counted, 1), skip: counted + 2, none: undefined };
    // Where nobody counts, a repeat is one more.
    const isUncounted = this.#limits.renewals === "uncounted" && slot.maxRenewals === null;
    return {
      id: id(step.slot),
      agentId: agentId(slot.agent + Number(step.byStranger)),
      token,
      ttlMs: step.ttl === null ? undefined : this.spans[step.ttl],
      renewal: isUncounted ? undefined : counts[step.renewal],
    };
  }

  release(step: ReleaseStep, token: number | undefined): ReleaseRequest {
    const leaseId = id(step.slot);
    const owner = agentId(this.#slot(step.slot).agent + Number(step.byStranger));
    if (step.kind === "release") return { kind: "release", id: leaseId, agentId: owner, token };
    if (step.kind === "abandon") return { kind: "abandon", id: leaseId, agentId: owner };
    const graceMs = step.kind === "revoke" ? 0 : this.spans[step.grace];
    return { kind: "revoke", id: leaseId, by: "operator", reason: step.grace, graceMs };
  }

  #slot(index: number): Slot {
    return this.#plan.slots[index] as Slot;
  }
}

/** The id of a slot. */
export function id(slot: number): string {
  return `00000000-0000-7000-8000-${String(slot).padStart(12, "0")}`;
}

export function agentId(agent: number): string {
  return `agent-${agent}`;
}
