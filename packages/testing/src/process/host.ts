/**
 * A backend in a child process, driven as if it were here: so that "two processes on one file" runs the very suite that
 * one process runs, and a holder can be killed or stopped in the middle of a step.
 */
import { fork } from "node:child_process";
import { createRequire } from "node:module";
import type { LeaseBackend } from "@lease/core";
import { hostedBackend } from "./hosted-backend.js";
import { Link } from "./link.js";
import type { Opened } from "./protocol.js";

/** What the child process runs, and how. */
export interface ProcessHostOptions {
  /**
   * The module that the child loads, as a path or `file:` URL. It exports `open(options)`, which makes a backend; plain
   * Node must be able to run it.
   */
  readonly module: string | URL;
  /** More environment variables for the child. */
  readonly env?: NodeJS.ProcessEnv;
  /** Arguments for the child's Node. */
  readonly execArgv?: readonly string[];
  /** When a call that the child does not answer ends with `OUTCOME_UNKNOWN`. Default 10 000 ms. */
  readonly callTimeoutMs?: number;
}

/** A child process that opens backends and answers for them. */
export interface ProcessHost {
  readonly pid: number;
  /** Opens a backend in the child: `open(options)` of its module, with options that can be cloned. */
  open(options?: unknown): Promise<LeaseBackend>;
  /** Sends a signal; by default SIGKILL, after which nothing of the child runs any more. */
  kill(signal?: NodeJS.Signals): void;
  /** Ends the child without letting it close anything, and waits until it is gone. */
  stop(): Promise<void>;
  /** Resolves when the child is gone, however it went. */
  readonly exited: Promise<void>;
}

/** Starts a child process and waits until its module is loaded. */
export async function processHost(options: ProcessHostOptions): Promise<ProcessHost> {
  const child = fork(workerPath(), [String(options.module)], {
    serialization: "advanced",
    execArgv: [...(options.execArgv ?? [])],
    env: { ...process.env, ...options.env },
  });
  const link = new Link(child, options.callTimeoutMs ?? 10_000);
  await link.ready;
  return {
    pid: child.pid as number,
    exited: link.exited,
    async open(openOptions) {
      const { number, answer } = link.ask({ ask: "open", options: openOptions });
      return hostedBackend(link, number, (await answer) as Opened);
    },
    kill(signal = "SIGKILL") {
      child.kill(signal);
    },
    async stop() {
      child.kill("SIGKILL");
      await link.exited;
    },
  };
}

/** The built worker, wherever this package is installed: its sources are not for plain Node. */
function workerPath(): string {
  return createRequire(import.meta.url)
    .resolve("@lease/testing/package.json")
    .replace(/package\.json$/, "dist/process-worker.js");
}
