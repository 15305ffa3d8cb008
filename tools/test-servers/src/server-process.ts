/** One server process of ours: started, stopped, killed, paused, and never left behind. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Binary } from "./binaries.ts";

const READY_WITHIN_MS = 50_000;
const POLL_MS = 20;
const ATTEMPTS = 5;

export interface ServerPlan {
  readonly binary: Binary;
  /** Puts what it reads at its start into its folder, in which it runs. */
  readonly prepare?: (folder: string) => Promise<void>;
  readonly args: (folder: string) => readonly string[];
  /** Whether the server answers, and is the process `pid`, not a stranger on the same port. */
  readonly isReady: (pid: number, folder: string) => Promise<boolean>;
  /** Who runs it, where that is not who runs the tests. */
  readonly uid?: number;
  readonly gid?: number;
}

export class ServerProcess {
  readonly #plan: ServerPlan;
  /** Where it runs and keeps its data. */
  readonly folder: string;
  #child: ChildProcess | undefined;
  #watchdog: ChildProcess | undefined;
  #output = "";

  private constructor(plan: ServerPlan, folder: string) {
    this.#plan = plan;
    this.folder = folder;
  }

  /** Starts it and waits until it is ready. */
  static async start(plan: ServerPlan): Promise<ServerProcess> {
    const server = new ServerProcess(plan, await mkdtemp(join(tmpdir(), "lease-server-")));
    try {
      await plan.prepare?.(server.folder);
      await server.start();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error("This server does not run.");
    return pid;
  }

  /** What it last printed. */
  get output(): string {
    return this.#output;
  }

  /** Starts it, again or for the first time, on the same ports and with the data that its folder has. */
  async start(): Promise<void> {
    const { binary, args, isReady, uid, gid } = this.#plan;
    this.#output = "";
    const child = spawn(binary.path, args(this.folder), {
      cwd: this.folder,
      env: { ...process.env, ...binary.env },
      stdio: ["ignore", "pipe", "pipe"],
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
    this.#child = child;
    child.on("error", (error) => {
      this.#output += error.message;
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.#output = `${this.#output}${chunk}`.slice(-8000);
      });
    }
    if (child.pid === undefined) {
      await once(child, "error").catch(() => undefined);
      throw new Error(`${binary.path} could not be started: ${this.#output}`);
    }
    this.#watchdog = guard(child.pid, this.folder);
    const until = performance.now() + READY_WITHIN_MS;
    while (!(await isReady(child.pid, this.folder).catch(() => false))) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`${binary.path} ended at its start:\n${this.#output}`);
      }
      if (performance.now() > until) throw new Error(`${binary.path} does not get ready:\n${this.#output}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Stops answering, as a machine that hangs does. */
  pause(): void {
    process.kill(this.pid, "SIGSTOP");
  }

  resume(): void {
    process.kill(this.pid, "SIGCONT");
  }

  /** Ends it as a crash does (SIGKILL); its folder stays for `start`. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    this.#watchdog?.stdin?.end("done\n");
    this.#watchdog = undefined;
  }

  /** Ends it for good and removes its data. */
  async stop(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * A process that ends the server when ours ends without having done so, whatever ended it: the pipe from us closes then.
 */
function guard(pid: number, folder: string): ChildProcess {
  const script = 'read -r line || { kill -9 "$1"; sleep 0.2; rm -rf -- "$2"; }';
  const watchdog = spawn("/bin/sh", ["-c", script, "lease-server-watchdog", String(pid), folder], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  watchdog.on("error", () => {});
  watchdog.stdin?.on("error", () => {});
  watchdog.unref();
  // Children of this process must not keep it alive.
  (watchdog.stdin as { unref?: () => void } | null)?.unref?.();
  return watchdog;
}

/**
 * Ports that are free at this moment. Somebody else may take one before the server does: then the server ends at its
 * start, and {@link withFreePorts} tries others.
 */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Starts something on free ports, and on others if those were taken meanwhile. */
export async function withFreePorts<T>(count: number, start: (...ports: number[]) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(...(await freePorts(count)));
    } catch (error) {
      if (attempt === ATTEMPTS || !/address already in use/i.test(String(error))) throw error;
    }
  }
}
