/** What the tests of this package share. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createLeaseManager, type LeaseBackend, LeaseError, memoryBackend } from "@lease/core";
import { simulatedClock } from "@lease/testing";
import { onTestFinished } from "vitest";
import { type GracefulShutdownOptions, gracefulShutdown } from "../src/index.js";

/** A shutdown in simulated time that no signal starts and that ends no process. */
export function world() {
  const clock = simulatedClock();
  const backend = memoryBackend({ clock });
  const phases: string[] = [];
  const exits: number[] = [];
  return {
    clock,
    backend,
    phases,
    exits,
    manager: (over: LeaseBackend = backend, agentId = "alice") =>
      createLeaseManager({ backend: over, agentId, clock, random: () => 0 }),
    shutdown: (options: GracefulShutdownOptions) =>
      gracefulShutdown({
        clock,
        signals: [],
        exit: (code) => exits.push(code),
        onPhase: ({ phase, held }) => phases.push(`${phase} ${held}`),
        ...options,
      }),
  };
}

export const down = () => new LeaseError("BACKEND_UNAVAILABLE", "down");

export function meddled(backend: LeaseBackend, overrides: Partial<LeaseBackend>): LeaseBackend {
  return { ...backend, ...overrides };
}

export interface Worker {
  readonly process: ChildProcess;
  /** What it printed so far, line by line. */
  readonly lines: readonly string[];
  readonly errors: () => string;
  /** Resolves when it has printed the line. */
  printed(line: string): Promise<void>;
  /** Exit code, or the signal that ended it. */
  ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Runs `NAME.worker.ts` on the built packages; killed, if need be, after the test. */
export function startWorker(name: string, ...args: readonly string[]): Worker {
  const path = fileURLToPath(new URL(`./${name}.worker.ts`, import.meta.url));
  const child = spawn(process.execPath, ["--unhandled-rejections=strict", path, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  let errors = "";
  const reader = createInterface(child.stdout);
  reader.on("line", (line) => lines.push(line));
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const exit = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
  return {
    process: child,
    lines,
    errors: () => errors,
    printed: (wanted) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (lines.includes(wanted)) resolve();
        };
        reader.on("line", look);
        void exit.then(() => reject(new Error(`${name} ended before it printed "${wanted}": ${errors}`)));
        look();
      }),
    async ended() {
      const [code, signal] = await exit;
      return { code, signal };
    },
  };
}

/** A new folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "lease-shutdown-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
