/** The built server as a process of its own, in a folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./server.js";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));

export interface Child {
  readonly process: ChildProcess;
  /** Everything printed so far. */
  out(): string;
  err(): string;
  /** Of the greeting; waits for it. */
  url(): Promise<string>;
  /** The exit code; waits for it. */
  readonly exited: Promise<number | null>;
}

const children = new Set<ChildProcess>();
const folders: string[] = [];

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "lease-server-"));
  folders.push(folder);
  return folder;
}

/** Starts the server on a free port. */
export function startChild(
  env: Record<string, string> = {},
  options: { cwd?: string; node?: string; args?: string[] } = {},
): Child {
  const { cwd = newFolder(), node = process.execPath, args = [] } = options;
  const child = spawn(node, [...args, main], {
    cwd,
    env: { PATH: process.env.PATH, LEASE_PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.add(child);
  const printed = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    printed.out += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    printed.err += chunk;
  });
  const exited = once(child, "close").then(([code]) => {
    children.delete(child);
    return code as number | null;
  });
  const urlIn = (text: string) => /^Lease is ready on (http:\S+)/m.exec(text)?.[1];
  return {
    process: child,
    out: () => printed.out,
    err: () => printed.err,
    exited,
    async url() {
      await until(() => urlIn(printed.out) !== undefined || child.exitCode !== null);
      return urlIn(printed.out) ?? Promise.reject(new Error(printed.err));
    },
  };
}

/** Ends whatever a test left running. */
export function cleanUp(): void {
  for (const child of children) child.kill("SIGKILL");
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
