/**
 * `eventRouter()`: the change feed of a backend, delivered to sinks.
 *
 * Guarantees, for each sink by itself: every event at least once, in the order of the feed, also over crashes, for as
 * long as the store keeps its history; and that what is not delivered is reported. No sink waits for another.
 * Does not guarantee: exactly once; an order between two sinks; one delivery for two routers with the same sinks (run
 * the router under a lease for that).
 */
import type { LeaseBackend } from "@lease/core";
import type { CursorStore } from "./cursors.js";
import { checkSource } from "./envelope.js";
import { checkNumber, invalid } from "./invalid.js";
import type { Report } from "./report.js";
import { type RunningRoute, runRoute } from "./running.js";
import { type Route, type RouteOptions, settingsOf } from "./settings.js";
import type { Sink } from "./sink.js";

/** Settings of a router. Those of {@link RouteOptions} hold for every sink that does not say otherwise. */
export interface EventRouterOptions extends RouteOptions {
  /** Whose feed is read. It stays open when the router stops. */
  readonly backend: LeaseBackend;
  /**
   * The sinks by name: lower-case letters, digits, `.`, `_` and `-`. The name is what a sink's cursor is kept under, so a
   * sink that is given a new name begins anew. A sink that needs settings of its own comes as `{ sink, types, … }`.
   */
  readonly sinks: Readonly<Record<string, Sink | Route>>;
  /** Where cursors are kept: `fileCursorStore(folder)`, `memoryCursorStore()`, or one of your own. */
  readonly cursors: CursorStore;
  /** Told of everything that goes wrong or gets lost. Not optional, so that no gap is silent. What it throws is ignored. */
  readonly onReport: (report: Report) => void;
  /** The `source` of the CloudEvents, a URI reference. Default `/lease/<kind of the backend>`. */
  readonly source?: string;
}

/** How long stopping may take. */
export interface StopOptions {
  /**
   * How long deliveries under way may take to end by themselves, in milliseconds; then their signal aborts. Default
   * 2 000. `stop()` resolves at most one second later, whatever a sink does.
   */
  readonly graceMs?: number;
}

/** A small service: start it, stop it. */
export interface EventRouter extends AsyncDisposable {
  /**
   * Resolves once every sink's place in the feed is known: what happens from now on will arrive. Does nothing when the
   * router runs already; resolves also when `stop()` is called meanwhile; may be called again after `stop()`, and goes on from the stored cursors then.
   *
   * @throws what the cursor store throws, or the backend for a sink that begins at the `"end"`; nothing runs then
   */
  start(): Promise<void>;
  /** Ends all routes, within a bound; never rejects. What was not delivered will be after the next start. */
  stop(options?: StopOptions): Promise<void>;
}

const DEFAULT_GRACE_MS = 2_000;

/** Also a file name in any file system, see `fileCursorStore`. */
const SINK_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/**
 * Makes a router; it does nothing before `start()`.
 *
 * @throws `INVALID_ARGUMENT` naming the option that breaks its rule
 */
export function eventRouter(options: EventRouterOptions): EventRouter {
  const { backend, sinks, onReport, source = `/lease/${backend.kind}`, ...routeOptions } = options;
  checkSource(source);
  if (typeof onReport !== "function") throw invalid("onReport", "must be a function");
  const routes = Object.entries(sinks).map(([name, sinkOrRoute]) => {
    if (!SINK_NAME.test(name))
      throw invalid("sinks", `has a name that does not match ${SINK_NAME}: "${name}"`);
    const route = "sink" in sinkOrRoute ? sinkOrRoute : { sink: sinkOrRoute };
    return { name, backend, source, onReport, settings: settingsOf(route, routeOptions) };
  });

  let running: { readonly routes: readonly RunningRoute[]; readonly opened: Promise<void> } | null = null;
  let stopped: Promise<void> = Promise.resolve();

  function stop(graceMs: number): Promise<void> {
    const ending = running?.routes ?? [];
    running = null;
    stopped = Promise.all([stopped, ...ending.map((route) => route.stop(graceMs))]).then(() => {});
    return stopped;
  }

  function start(): Promise<void> {
    if (running !== null) return running.opened;
    const started = routes.map((route) => runRoute(route, stopped));
    const opened = Promise.all(started.map((route) => route.opened)).then(
      () => {},
      async (error) => {
        if (running?.routes === started) await stop(0);
        throw error;
      },
    );
    running = { routes: started, opened };
    return opened;
  }

  return {
    start,
    async stop({ graceMs = DEFAULT_GRACE_MS } = {}) {
      checkNumber(graceMs, "graceMs", 0);
      await stop(graceMs);
    },
    [Symbol.asyncDispose]: () => stop(DEFAULT_GRACE_MS),
  };
}
