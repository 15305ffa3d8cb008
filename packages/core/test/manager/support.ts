/**
 * What the tests of the manager share: one store in simulated time, managers on it, and a way to meddle with calls.
 */
import {
  createLeaseManager,
  type Lease,
  type LeaseBackend,
  type LeaseManagerOptions,
  listAll,
  memoryBackend,
} from "@lease/core";
import { expect } from "vitest";
// By path: as a dependency of core, @lease/testing would close a circle of packages.
import {
  type SimulatedClock,
  type SimulatedClockOptions,
  settled,
  simulatedClock,
} from "../../../testing/src/simulated-clock.js";
import type { DeadlockStep } from "../../src/errors.js";
import { searchCycle } from "../../src/manager/deadlock.js";
import { WaitGraph } from "../../src/manager/wait-graph.js";

export { settled };

/** The cycle of waits through `id` of which it is the youngest, found without a pause. */
export function cycleThrough(id: string, leases: readonly Lease[]): DeadlockStep[] | null {
  const graph = new WaitGraph(leases);
  const start = graph.requests.find((request) => request.id === id);
  if (start === undefined) return null;
  const search = searchCycle(start, graph);
  let step = search.next();
  while (step.done !== true) step = search.next();
  return step.value;
}

export interface World {
  readonly clock: SimulatedClock;
  readonly backend: LeaseBackend;
  /** A manager on this world's store and clock; without jitter, so that times can be told. */
  manager(options?: Partial<LeaseManagerOptions>): ReturnType<typeof createLeaseManager>;
  /** Live leases as `agent state resource`, by token. */
  live(): Promise<string[]>;
}

export function world(options: SimulatedClockOptions = {}): World {
  const clock = simulatedClock(options);
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

/** The backend with some operations replaced. The rest goes through. */
export function meddled(backend: LeaseBackend, overrides: Partial<LeaseBackend>): LeaseBackend {
  return { ...backend, ...overrides };
}

/** The LeaseError that a promise rejects with; fails when it does not. */
export async function rejection<T>(
  promise: Promise<T>,
): Promise<Error & { code: string; details: Record<string, unknown> }> {
  const outcome = await promise.then(
    () => "resolved",
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(Error);
  return outcome as Error & { code: string; details: Record<string, unknown> };
}
