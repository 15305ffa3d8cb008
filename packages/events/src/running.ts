/** One route from its start to its stop: a reader and a deliverer with a buffer between them. */
import type { LeaseBackend } from "@lease/core";
import { presentEnd } from "@lease/core/backend";
import { deliverAll } from "./deliverer.js";
import { EventBuffer } from "./event-buffer.js";
import { Progress } from "./progress.js";
import { read } from "./reader.js";
import { callSafely, type Report, type Telling } from "./report.js";
import type { Settings } from "./settings.js";
import { within } from "./timing.js";

/** After the grace, how long a sink gets to heed its signal and to close. */
const LAST_CALL_MS = 1_000;

export interface RouteContext {
  readonly name: string;
  readonly backend: LeaseBackend;
  readonly source: string;
  readonly settings: Settings;
  readonly onReport: (report: Report) => void;
}

export interface RunningRoute {
  /** Settles once it is known where the route begins, or when it was stopped before. Rejects with what the cursor store or the backend threw. */
  readonly opened: Promise<void>;
  /** Ends the route, at the latest after `graceMs` and one second. Never rejects. */
  stop(graceMs: number): Promise<void>;
}

/** @param predecessor - the route begins once this is over, so that two runs of one router never overlap */
export function runRoute(route: RouteContext, predecessor: Promise<void>): RunningRoute {
  const { name, backend, source, settings, onReport } = route;
  const stopping = new AbortController();
  const aborting = new AbortController();
  const tell = (telling: Telling) => callSafely(onReport, () => {}, { sink: name, ...telling } as Report);
  const buffer = new EventBuffer(settings.bufferSize, settings.whenFull, (dropped) =>
    tell({ type: "dropped", policy: settings.whenFull as "drop-oldest" | "drop-newest", ...dropped }),
  );
  const progress = new Progress(settings.cursors, name, (cursor, error) =>
    tell({ type: "cursor-not-saved", cursor, error }),
  );

  async function open(): Promise<string | undefined> {
    await predecessor;
    const stored = await settings.cursors.load(name);
    if (stored !== null) return stored;
    if (settings.from === "start") return undefined;
    if (settings.from !== "end") return settings.from;
    const end = await presentEnd(backend);
    // Stored at once: what comes from now on must arrive, also if the process ends before it has delivered anything.
    if (!stopping.signal.aborted) await progress.reached(end);
    return end;
  }

  async function run(from: string | undefined): Promise<void> {
    const reading = read(from, { backend, settings, buffer, tell, signal: stopping.signal }).then(() =>
      buffer.end(),
    );
    await deliverAll({
      name,
      source,
      settings,
      buffer,
      progress,
      tell,
      stopping: stopping.signal,
      aborting: aborting.signal,
    });
    stopping.abort();
    await reading;
    await progress.flush();
    try {
      await settings.sink.close?.();
    } catch (error) {
      tell({ type: "not-closed", error });
    }
  }

  const opening = open();
  const done = opening.then(
    (from) => (stopping.signal.aborted ? undefined : run(from)),
    () => {},
  );
  let giveUp = () => {};
  const givenUp = new Promise<void>((resolve) => {
    giveUp = resolve;
  });
  return {
    opened: Promise.race([opening.then(() => {}), givenUp]),
    async stop(graceMs) {
      stopping.abort();
      await within(done, graceMs);
      aborting.abort();
      await within(done, LAST_CALL_MS);
      progress.close();
      giveUp();
    },
  };
}
