/**
 * Bad luck on demand: a backend whose network loses, delays and doubles messages. Everything that reaches the real one
 * behind it is applied there, so what a test sees is what a user would.
 */
import { type Clock, type LeaseBackend, LeaseError, systemClock } from "@lease/core";
import { defineBackend } from "@lease/core/backend";

/** The calls that can go wrong; `turn` is only a hint, and `changes` and `close` pass as they are. */
export type FaultyOperation = "acquire" | "renew" | "release" | "list" | "sweep";

/** What happens to a call. */
export type Fault =
  /** It never arrives: `BACKEND_UNAVAILABLE`, surely not applied. */
  | "unavailable"
  /** It is applied, and the answer is lost: `OUTCOME_UNKNOWN`. */
  | "lose-reply"
  /** It hangs on the way: `OUTCOME_UNKNOWN` now, applied when the test says so, by {@link FaultyBackend.deliver}. */
  | "late"
  /** It is applied and answered, and once more by {@link FaultyBackend.deliver}. */
  | "double"
  /** It takes its time on the way there, or on the way back. */
  | { readonly delayMs: number; readonly on: "request" | "reply" };

/** A call on its way, whose fate a fault decides. */
export interface FaultyCall {
  readonly operation: FaultyOperation;
  /** Which call of this operation it is, from 0. */
  readonly index: number;
  /** What it is called with. */
  readonly argument: unknown;
}

/** What goes wrong, and when. */
export interface FaultyOptions {
  /** Decides over each call; `undefined`: it passes. */
  readonly decide: (call: FaultyCall) => Fault | undefined;
  /** On which delays are counted. Default: the machine's. */
  readonly clock?: Clock;
}

/** A backend whose next calls can be made to fail. */
export interface FaultyBackend extends LeaseBackend {
  /** Delivers every late or doubled call that is still under way, oldest first; what they answer, nobody hears. */
  deliver(): Promise<void>;
  /** How many are under way. */
  readonly underWay: number;
}

/** Puts a bad network before `backend`. With `decide: () => undefined` it passes the whole conformance suite. */
export function faulty(backend: LeaseBackend, options: FaultyOptions): FaultyBackend {
  const { decide, clock = systemClock } = options;
  const calls: Record<FaultyOperation, number> = { acquire: 0, renew: 0, release: 0, list: 0, sweep: 0 };
  const held: (() => Promise<unknown>)[] = [];

  async function through<T>(
    operation: FaultyOperation,
    argument: unknown,
    run: () => Promise<T>,
  ): Promise<T> {
    const fault = decide({ operation, index: calls[operation], argument });
    calls[operation] += 1;
    switch (fault) {
      case undefined:
        return await run();
      case "unavailable":
        throw new LeaseError("BACKEND_UNAVAILABLE", `The ${operation} did not arrive (injected fault).`);
      case "lose-reply":
        await run();
        throw unknown(operation);
      case "late":
        held.push(run);
        throw unknown(operation);
      case "double":
        held.push(run);
        return await run();
      default:
        if (fault.on === "request") await sleep(clock, fault.delayMs);
        try {
          return await run();
        } finally {
          if (fault.on === "reply") await sleep(clock, fault.delayMs);
        }
    }
  }

  const bad = defineBackend({
    kind: backend.kind,
    limits: backend.limits,
    acquire: (request) => through("acquire", request, () => backend.acquire(request)),
    turn: (wait) => backend.turn(wait),
    renew: (requests) => through("renew", requests, () => backend.renew(requests)),
    release: (requests) => through("release", requests, () => backend.release(requests)),
    list: (query) => through("list", query, () => backend.list(query)),
    sweep: (sweep) => through("sweep", sweep, () => backend.sweep(sweep)),
    changes: (change) => backend.changes(change),
    close: () => backend.close(),
  });
  return {
    ...bad,
    async deliver() {
      for (let run = held.shift(); run !== undefined; run = held.shift()) {
        await run().catch(() => undefined);
      }
    },
    get underWay() {
      return held.length;
    },
  };
}

function unknown(operation: FaultyOperation): LeaseError<"OUTCOME_UNKNOWN"> {
  return new LeaseError("OUTCOME_UNKNOWN", `Nobody answered the ${operation} (injected fault).`);
}

function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(ms, resolve);
  });
}
