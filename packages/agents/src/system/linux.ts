/** Linux: all of it stands in `/proc`. */
import { readFileSync, readlinkSync } from "node:fs";
import type { ProcessFacts, System } from "./types.js";

/** @param proc - where the system shows its processes */
export function linuxSystem(proc = "/proc"): System {
  return {
    process(pid) {
      try {
        return parseStat(readFileSync(`${proc}/${pid}/stat`, "utf8"));
      } catch {
        return null;
      }
    },
    bootId: () => readFileSync(`${proc}/sys/kernel/random/boot_id`, "utf8").trim(),
    pidNamespace: () => readlinkSync(`${proc}/self/ns/pid`),
  };
}

/** proc_pid_stat(5). The name of the program may hold spaces and parentheses, so it ends at the last one. */
export function parseStat(stat: string): ProcessFacts | null {
  const open = stat.indexOf("(");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state = "", parent, group, session, tty] = fields;
  if (open < 1 || fields.length < 20 || state === "Z" || state === "X") return null;
  return {
    pid: Number(stat.slice(0, open)),
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    tty: ttyName(Number(tty)),
    // Field 22: clock ticks since the boot.
    startTime: fields[19] as string,
  };
}

/** The device number of a terminal as its name: majors 136 to 143 are pseudo terminals, 4 are consoles. */
function ttyName(device: number): string | null {
  if (device === 0) return null;
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  if (major >= 136 && major <= 143) return `pts${minor + (major - 136) * 256}`;
  return major === 4 ? `tty${minor}` : `tty${major}.${minor}`;
}
