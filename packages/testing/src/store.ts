/** What the suite is given: one namespace, empty at first, that several clients can open. */
import type { LeaseBackend } from "@lease/core";
import { clientOf } from "./client.js";
import type { SimulatedClock } from "./simulated-clock.js";

/** One empty namespace of a store under test. The suite makes a new one for every case. */
export interface ConformanceStore {
  /**
   * Another client of the same namespace, as a second process would have it. Each must close on its own: hand out
   * {@link clientOf} a shared backend where the store lives in this process.
   */
  open(): Promise<LeaseBackend>;
  /** Called once after the case, when all clients are closed: removes what the namespace left behind. */
  close(): Promise<void>;
  /**
   * The clock that store and clients run on, if it is a simulated one: time-dependent cases then take no time.
   * Without it they wait in real time, with TTLs as short as `limits` lets them.
   */
  readonly clock?: SimulatedClock | undefined;
}

/** Makes an empty namespace, apart from all others. */
export type StoreFactory = () => Promise<ConformanceStore>;

/** The namespace of a backend that lives in this process, such as `memoryBackend()` in a decorator. */
export function sharedStore(backend: LeaseBackend, clock?: SimulatedClock): ConformanceStore {
  return {
    open: async () => clientOf(backend),
    close: () => backend.close(),
    clock,
  };
}
