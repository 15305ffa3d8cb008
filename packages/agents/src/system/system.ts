/** The system that this process runs on, and questions that are the same on every one. */
import { LeaseError } from "@lease/core";
import { linuxSystem } from "./linux.js";
import { macosSystem } from "./macos.js";
import type { ProcessFacts, System } from "./types.js";

/**
 * The facts of this machine's processes.
 *
 * @throws `BACKEND_INCOMPATIBLE` on a system that is neither Linux nor macOS
 */
export function thisSystem(platform: NodeJS.Platform = process.platform): System {
  if (platform === "linux") return linuxSystem();
  if (platform === "darwin") return macosSystem();
  const message = `On ${platform} processes cannot be told apart yet. Next: set LEASE_AGENT to a name for this agent.`;
  throw new LeaseError("BACKEND_INCOMPATIBLE", message);
}

/** The most generations that are looked at; a longer line of processes is one that goes in a circle. */
const MOST_ANCESTORS = 64;

/** The process and those above it, the nearest first, up to the one that has no parent to look at. */
export function* ancestry(system: System, pid: number): Generator<ProcessFacts> {
  for (let count = 0, at = pid; at > 0 && count < MOST_ANCESTORS; count += 1) {
    const facts = system.process(at);
    if (facts === null) return;
    yield facts;
    at = facts.parent;
  }
}

/** What names one process for good: a pid alone is given to another process later, or twice by two containers. */
export interface ProcessId {
  readonly pid: number;
  readonly startTime: string;
  readonly bootId: string;
  readonly pidNamespace: string | null;
}

/** Notes a process down, to ask later whether it still runs. `null` where there is no such process. */
export function processId(system: System, pid: number): ProcessId | null {
  const facts = system.process(pid);
  if (facts === null) return null;
  return {
    pid,
    startTime: facts.startTime,
    bootId: system.bootId(),
    pidNamespace: system.pidNamespace(),
  };
}

/**
 * Whether a process that was noted down still runs. `"unknown"`: it belongs to another boot's, machine's or container's
 * count, so that its pid says nothing here.
 */
export function isAlive(system: System, noted: ProcessId): boolean | "unknown" {
  if (noted.bootId !== system.bootId() || noted.pidNamespace !== system.pidNamespace()) return "unknown";
  return system.process(noted.pid)?.startTime === noted.startTime;
}
