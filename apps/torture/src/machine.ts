/**
 * Machines and their processes: what they read on their clocks, and when their code runs.
 *
 * A machine that sleeps: its monotonic clock and all its timers stand still, its wall clock and the clock that counts
 * sleep go on. A process that is stopped (SIGSTOP): none of its code runs, and all clocks go on. What falls due or
 * arrives meanwhile waits in the process's backlog. A process that is dead never runs again.
 */
import type { Clock } from "@lease/core";
import type { Simulation } from "./simulation.js";

/** Linux shows the clock that counts sleep in such steps. */
const BOOT_GRAIN_MS = 10;
/** Rounding in a float must not make a timer miss its moment. */
const GRAIN_MS = 1e-6;
const WALL_START = Date.UTC(2026, 0, 1);

export class Machine {
  readonly processes = new Set<Process>();
  readonly simulation: Simulation;
  /** How fast its clocks run, of true time. */
  readonly rate: number;
  isAsleep = false;
  readonly #bootAhead: number;
  #wallAhead: number;
  #sleptMs = 0;
  #asleepSince = 0;

  constructor(simulation: Simulation, rate: number, startedMs: number) {
    this.simulation = simulation;
    this.rate = rate;
    this.#wallAhead = WALL_START - startedMs;
    this.#bootAhead = startedMs;
  }

  now(): number {
    const { now } = this.simulation;
    const asleepMs = this.isAsleep ? now - this.#asleepSince : 0;
    return this.#bootAhead + (now - this.#sleptMs - asleepMs) * this.rate;
  }

  bootNow(): number {
    return Math.floor(this.#boot() / BOOT_GRAIN_MS) * BOOT_GRAIN_MS;
  }

  wallNow(): number {
    return this.#boot() + this.#wallAhead;
  }

  stepWall(ms: number): void {
    this.#wallAhead += ms;
  }

  sleep(): void {
    if (this.isAsleep) return;
    this.isAsleep = true;
    this.#asleepSince = this.simulation.now;
  }

  wake(): void {
    if (!this.isAsleep) return;
    this.isAsleep = false;
    this.#sleptMs += this.simulation.now - this.#asleepSince;
    for (const process of this.processes) process.resume();
  }

  #boot(): number {
    return this.#bootAhead + this.simulation.now * this.rate;
  }
}

export class Process {
  readonly machine: Machine;
  isStopped = false;
  isDead = false;
  /** Timers that wait, of those that were scheduled through {@link Process.clock}. */
  timers = 0;
  #backlog: (() => void)[] = [];
  #stoppedMs = 0;
  #stoppedSince = 0;

  constructor(machine: Machine) {
    this.machine = machine;
    machine.processes.add(this);
  }

  get isRunning(): boolean {
    return !this.isDead && !this.isStopped && !this.machine.isAsleep;
  }

  /** For how long it could run since its machine began, on the machine's clock. */
  ranMs(): number {
    const now = this.machine.now();
    return now - this.#stoppedMs - (this.isStopped ? now - this.#stoppedSince : 0);
  }

  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.#stoppedSince = this.machine.now();
  }

  continue(): void {
    if (!this.isStopped) return;
    this.isStopped = false;
    this.#stoppedMs += this.machine.now() - this.#stoppedSince;
    this.resume();
  }

  kill(): void {
    this.isDead = true;
    this.#backlog = [];
    this.machine.processes.delete(this);
  }

  /** Each piece of the backlog becomes an event of its own. */
  resume(): void {
    if (!this.isRunning) return;
    const backlog = this.#backlog;
    this.#backlog = [];
    for (const run of backlog) this.machine.simulation.after(0, () => this.receive(run));
  }

  /** Runs `run` now, or once the process runs again. */
  receive(run: () => void): void {
    if (this.isDead) return;
    if (this.isRunning) run();
    else this.#backlog.push(run);
  }

  /** A timer on the machine's monotonic clock, in whole milliseconds from 1 on, as Node has them. */
  schedule(delayMs: number, run: () => void): () => void {
    const { machine } = this;
    const due = machine.now() + Math.max(1, Math.trunc(delayMs));
    let isWaiting = true;
    const fire = () => {
      if (!isWaiting) return;
      const left = due - machine.now();
      if (left > GRAIN_MS) wait(left);
      else {
        isWaiting = false;
        run();
      }
    };
    const wait = (ms: number) => {
      cancel = machine.simulation.after(ms / machine.rate, () => this.receive(fire));
    };
    let cancel = () => {};
    wait(due - machine.now());
    return () => {
      isWaiting = false;
      cancel();
    };
  }

  /** The clock that code in this process reads. */
  clock(hasBootClock: boolean): Clock {
    const { machine } = this;
    const clock: Clock = {
      now: () => machine.now(),
      wallNow: () => machine.wallNow(),
      schedule: (delayMs, run) => {
        this.timers += 1;
        let isWaiting = true;
        const end = () => {
          if (isWaiting) this.timers -= 1;
          isWaiting = false;
        };
        const cancel = this.schedule(delayMs, () => {
          end();
          run();
        });
        return () => {
          end();
          cancel();
        };
      },
    };
    return hasBootClock ? { ...clock, bootNow: () => machine.bootNow() } : clock;
  }
}
