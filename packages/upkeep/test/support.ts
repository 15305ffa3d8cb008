/** What the tests share: one store in simulated time, managers on it, and a way to meddle with calls. */
import { setImmediate } from "node:timers/promises";
import {
  createLeaseManager,
  type LeaseBackend,
  type LeaseManager,
  type LeaseManagerOptions,
  listAll,
  memoryBackend,
} from "@lease/core";
import { type SimulatedClock, simulatedClock } from "@lease/testing";
import { expect } from "vitest";

export interface World {
  readonly clock: SimulatedClock;
  readonly backend: LeaseBackend;
  /** A manager on this world's store and clock, without jitter. */
  manager(options?: Partial<LeaseManagerOptions>): LeaseManager;
  /** Live leases as `agent state resource`, by token. */
  live(): Promise<string[]>;
}

export function world(): World {
  const clock = simulatedClock();
  const backend = memoryBackend({ clock });
  return {
    clock,
    backend,
    manager: (options) =>
      createLeaseManager({ backend, agentId: "alice", clock, random: () => 0, ...options }),
    live: async () =>
      (await listAll(backend, {})).map(
        ({ agentId, state, claims }) => `${agentId} ${state} ${claims[0]?.resource}`,
      ),
  };
}

/** Resolves when all that was begun has come to wait for the clock. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await setImmediate();
}

/** The backend with some operations replaced. The rest goes through. */
export function meddled(backend: LeaseBackend, overrides: Partial<LeaseBackend>): LeaseBackend {
  return { ...backend, ...overrides };
}

/** The LeaseError that a promise rejects with; fails when it does not. */
export async function rejection(
  promise: Promise<unknown>,
): Promise<Error & { code: string; details: Record<string, unknown> }> {
  const outcome = await promise.then(
    () => "resolved",
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(Error);
  return outcome as Error & { code: string; details: Record<string, unknown> };
}
