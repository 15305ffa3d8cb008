/** What can be set about a route, its defaults, and what is refused. */
import type { LeaseEvent, LeaseEventType } from "@lease/core";
import { checkChanges, matchesFilters } from "@lease/core/backend";
import type { CursorStore } from "./cursors.js";
import { checkNumber, invalid } from "./invalid.js";
import type { WhenCursorExpired, WhenFull } from "./policies.js";
import type { DeadLetter } from "./report.js";
import type { Sink } from "./sink.js";

/** Pauses between attempts: doubling from `firstMs` to `mostMs`, of which the upper half is chance. */
export interface Backoff {
  readonly firstMs: number;
  readonly mostMs: number;
}

/** What can be said for all routes of a router, and otherwise for one. */
export interface RouteOptions {
  /**
   * Where a route begins that has no stored cursor: `"start"` (the default), the oldest entry kept; `"end"`, with what is
   * new after `start()` has resolved; or a cursor.
   */
  readonly from?: string;
  /** Where cursors are kept. Each route has its own, by its name. */
  readonly cursors?: CursorStore;
  /** Only events of these types. Others are passed over: read, and not delivered. */
  readonly types?: readonly LeaseEventType[];
  /** Only events of this agent's leases. */
  readonly agentId?: string;
  /** Only events of leases with a claim that overlaps this resource. */
  readonly resource?: string;
  /** How many events are read ahead of the sink. Default 256. */
  readonly bufferSize?: number;
  /** Default `"block"`. */
  readonly whenFull?: WhenFull;
  /** Default `"stop"`. */
  readonly whenCursorExpired?: WhenCursorExpired;
  /** Between attempts of a delivery, and of following the feed. Default 500 ms to 30 s. */
  readonly backoff?: Backoff;
  /** A delivery that failed so often becomes a dead letter. Default: never, it is tried until it succeeds. */
  readonly maxAttempts?: number;
  /**
   * Takes what a sink refused, or what failed `maxAttempts` times. Awaited: the cursor moves on only once it has
   * resolved, and when it fails the delivery is tried again. Without it a route stops at such an event.
   */
  readonly onDeadLetter?: (letter: DeadLetter) => Promise<void> | void;
}

/** A sink with settings of its own. */
export interface Route extends RouteOptions {
  readonly sink: Sink;
}

/** What a route does unless told otherwise. */
export const ROUTE_DEFAULTS = Object.freeze({
  from: "start",
  bufferSize: 256,
  whenFull: "block",
  whenCursorExpired: "stop",
  backoff: Object.freeze({ firstMs: 500, mostMs: 30_000 }),
  maxAttempts: Number.POSITIVE_INFINITY,
}) satisfies RouteOptions;

/** A route's options, complete. */
export type Settings = Route &
  Required<Omit<RouteOptions, "types" | "agentId" | "resource" | "onDeadLetter">>;

/** Fills in and checks. @throws `INVALID_ARGUMENT` naming the field */
export function settingsOf(route: Route, router: RouteOptions & { readonly cursors: CursorStore }): Settings {
  const settings = { ...ROUTE_DEFAULTS, ...defined(router), ...defined(route), sink: route.sink };
  const { from, types, agentId, resource, backoff, sink } = settings;
  const after = from === "start" ? undefined : from;
  checkChanges({ after, types, agentId, resource });
  checkNumber(settings.bufferSize, "bufferSize", 1);
  checkNumber(settings.maxAttempts, "maxAttempts", 1);
  checkNumber(backoff.firstMs, "backoff.firstMs", 1);
  checkNumber(backoff.mostMs, "backoff.mostMs", backoff.firstMs);
  checkNumber(sink.maxBatch ?? 1, "maxBatch", 1);
  checkOneOf(settings.whenFull, "whenFull", ["block", "stop", "drop-oldest", "drop-newest"]);
  checkOneOf(settings.whenCursorExpired, "whenCursorExpired", ["stop", "start", "end"]);
  return settings;
}

/** Whether a route's sink is to see an event. */
export function isWanted(event: LeaseEvent, settings: Settings): boolean {
  const { types, agentId, resource } = settings;
  return (types?.includes(event.type) ?? true) && matchesFilters(event.lease, { agentId, resource });
}

/** An option that is there and undefined must not hide the default. */
function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

function checkOneOf(value: string, field: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) throw invalid(field, `must be one of ${allowed.join(", ")}`);
}
