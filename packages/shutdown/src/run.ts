/** One shutdown, phase by phase. Every phase is bounded by the same deadline, and none keeps the next from coming. */
import type { LeaseBackend, LeaseHandle, LeaseManager } from "@lease/core";
import type { Deadline } from "./deadline.js";
import type { GracefulShutdownOptions } from "./options.js";
import type { ShutdownPhase, ShutdownProblem, ShutdownReport } from "./phases.js";
import { closeServer } from "./server.js";

export class Run {
  readonly #options: GracefulShutdownOptions;
  readonly #drainMs: number;
  readonly #deadline: Deadline;
  readonly #signal: NodeJS.Signals | null;
  readonly #managers: readonly LeaseManager[];
  readonly #backends: ReadonlySet<LeaseBackend>;
  readonly #problems: ShutdownProblem[] = [];
  #phase: ShutdownPhase = "stop";

  constructor(
    options: GracefulShutdownOptions,
    drainMs: number,
    deadline: Deadline,
    signal: NodeJS.Signals | null,
  ) {
    this.#options = options;
    this.#drainMs = drainMs;
    this.#deadline = deadline;
    this.#signal = signal;
    this.#managers = [...(options.managers ?? [])];
    this.#backends = new Set([...this.#managers.map(({ backend }) => backend), ...(options.backends ?? [])]);
  }

  /** Never rejects. */
  async run(): Promise<ShutdownReport> {
    this.#begin("stop");
    const patience = new AbortController();
    // Their releases are asked after even when draining ends them: one that nobody confirmed was left behind.
    const leases = this.#managers.flatMap(({ held }) => held);
    const drained = this.#managers.map((manager) => manager.drain({ signal: patience.signal }));
    const server = this.#endServer(patience.signal);

    this.#begin("drain");
    const draining = this.#deadline.within(this.#drainMs);
    await draining.wait(() => Promise.all([...drained, server.drained]));
    patience.abort();

    this.#begin("release");
    const interrupted = this.#held();
    await this.#release(leases);

    this.#begin("sweep");
    for (const backend of this.#backends) await this.#step("sweeping", () => sweep(backend));

    this.#begin("close");
    for (const service of this.#options.services ?? []) {
      await this.#step("stopping a service", () => service.stop());
    }
    await this.#step("closing the server", () => server.closed);
    if (this.#options.closeBackends ?? true) {
      for (const backend of this.#backends) {
        await this.#step(`closing the ${backend.kind} backend`, () => backend.close());
      }
    }

    this.#begin("exit");
    const code = this.#problems.length === 0 ? 0 : 1;
    return { code, signal: this.#signal, interrupted, problems: this.#problems };
  }

  /** Ends the server beside all else. `drained`: no more leases by it; `closed`: all is answered. */
  #endServer(patience: AbortSignal): { readonly drained: Promise<unknown>; readonly closed: Promise<void> } {
    const { server } = this.#options;
    if (server === undefined) return { drained: Promise.resolve(), closed: Promise.resolve() };
    const drained =
      server.drain === undefined
        ? Promise.resolve()
        : this.#step("draining the server", () =>
            Promise.race([server.drain?.({ signal: patience }), aborted(patience)]),
          );
    const closed = drained.then(() => closeServer(server));
    // Its failure is told in the close phase, and is nobody's until then.
    const closedSomehow = closed.catch(() => {});
    return { drained: server.drain === undefined ? closedSomehow : drained, closed };
  }

  async #release(leases: readonly LeaseHandle[]): Promise<void> {
    const outcomes = await Promise.all(leases.map((lease) => this.#deadline.wait(() => lease.release())));
    const left = outcomes.filter((end) => end.status !== "done" || end.value === "unconfirmed").length;
    if (left > 0) this.#problem(`${left} of ${leases.length} leases may be left: they end by their TTL.`);
    await this.#step("cleaning up", () => Promise.all(this.#managers.map((manager) => manager.close())));
  }

  /** Runs one step; what does not go well is noted and keeps nothing else from happening. */
  async #step(what: string, run: () => unknown): Promise<void> {
    const outcome = await this.#deadline.wait(run);
    if (outcome.status === "late") this.#problem(`No time was left for ${what}.`);
    if (outcome.status === "failed") this.#problem(`This failed: ${what}.`, outcome.error);
  }

  #problem(message: string, error?: unknown): void {
    this.#problems.push({ phase: this.#phase, message, ...(error === undefined ? {} : { error }) });
  }

  #begin(phase: ShutdownPhase): void {
    this.#phase = phase;
    try {
      this.#options.onPhase?.({
        phase,
        signal: this.#signal,
        held: this.#held(),
        remainingMs: this.#deadline.remainingMs,
        problems: [...this.#problems],
      });
    } catch {
      // The listener's own fault: nothing keeps leases from being released.
    }
  }

  #held(): number {
    return this.#managers.reduce((sum, { held }) => sum + held.length, 0);
  }
}

/** Ends what is past its time, and prunes nothing: how long history is kept is the janitor's affair. */
async function sweep(backend: LeaseBackend): Promise<void> {
  let goOn = true;
  while (goOn) {
    const { expired, more } = await backend.sweep({});
    goOn = more && expired.length > 0;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
