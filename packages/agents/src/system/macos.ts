/** macOS: `ps` and `sysctl`, which cost a process each. Written from their manuals; not seen live. */
import { execFileSync } from "node:child_process";
import type { ProcessFacts, System } from "./types.js";

/** Runs a program and gives what it printed. */
export type Run = (program: string, args: readonly string[]) => string;

const COLUMNS = "pid=,ppid=,pgid=,stat=,tty=,lstart=";

export function macosSystem(run: Run = runProgram): System {
  const look = (pid: number): Row | null => {
    try {
      return parsePs(run("/bin/ps", ["-o", COLUMNS, "-p", String(pid)]));
    } catch {
      // ps exits with 1 where there is no such process.
      return null;
    }
  };
  return {
    process(pid) {
      const row = look(pid);
      if (row === null) return null;
      const { leads, ...facts } = row;
      return { ...facts, session: leads ? pid : leaderAbove(facts, look) };
    },
    bootId: () => run("/usr/sbin/sysctl", ["-n", "kern.bootsessionuuid"]).trim(),
    pidNamespace: () => null,
  };
}

interface Row extends Omit<ProcessFacts, "session"> {
  readonly leads: boolean;
}

/**
 * One line of `ps`, as in ` 4711  4700  4711 S+   ttys003  Fri Nov 27 20:52:00 2026`. The state has an `s` for the leader of
 * a session, and begins with a `Z` for a zombie.
 */
export function parsePs(output: string): Row | null {
  const line = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(\S+)\s+(\S.*?)\s*$/.exec(output);
  if (line === null) return null;
  const [, pid, parent, group, state = "", tty = "", startTime = ""] = line;
  if (state.startsWith("Z")) return null;
  return {
    pid: Number(pid),
    parent: Number(parent),
    group: Number(group),
    leads: state.includes("s"),
    tty: tty.startsWith("?") ? null : tty,
    startTime,
  };
}

/** `ps` has no column for the session's leader: it is the nearest ancestor that leads one. */
function leaderAbove(from: Omit<ProcessFacts, "session">, look: (pid: number) => Row | null): number {
  let at: Omit<ProcessFacts, "session"> = from;
  while (at.parent > 1) {
    const above = look(at.parent);
    if (above === null) break;
    if (above.leads) return above.pid;
    at = above;
  }
  return at.pid;
}

function runProgram(program: string, args: readonly string[]): string {
  // Dates in one language, whatever the user's.
  const env = { ...process.env, LC_ALL: "C" };
  return execFileSync(program, args, { encoding: "utf8", env, stdio: ["ignore", "pipe", "ignore"] });
}
