/**
 * The clock that decides what is live: milliseconds since the machine started, the same in all processes of one boot,
 * and not moved when the wall clock is set. It says nothing across boots, so it comes with a name for the boot: a
 * database last used in another one gives every lease its full time again.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { type Clock, LeaseError, systemClock } from "@lease/core";

/** The machine's own. Linux: `CLOCK_MONOTONIC`, which stands still while the machine sleeps. */
export const bootClock: Clock = {
  now() {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1000 + nanoseconds / 1e6;
  },
  wallNow: systemClock.wallNow,
  schedule: systemClock.schedule,
};

/** A process that was frozen and thawed on another machine notices after this long. */
const REREAD_AFTER_MS = 1000;

/** Names the boot (and on Linux the time namespace) in which {@link bootClock} counts. */
export function bootIdOf(read: () => string = readBootId): () => string {
  let bootId = "";
  let readAt = Number.NaN;
  return () => {
    const elapsedMs = bootClock.now() - readAt;
    // Also when the clock went backwards, and at the first time.
    if (!(elapsedMs >= 0 && elapsedMs < REREAD_AFTER_MS)) {
      bootId = read();
      readAt = bootClock.now();
    }
    return bootId;
  };
}

let macBootId: string | undefined;

function readBootId(): string {
  try {
    if (process.platform === "linux") {
      return `${readFileSync("/proc/sys/kernel/random/boot_id", "ascii").trim()}${timeNamespace()}`;
    }
    if (process.platform === "darwin") {
      const asking = { encoding: "ascii", timeout: 5000 } as const;
      // Costs a process, and nothing on macOS moves a process to another boot.
      macBootId ??= execFileSync("/usr/sbin/sysctl", ["-n", "kern.bootsessionuuid"], asking).trim();
      return macBootId;
    }
  } catch (cause) {
    throw new LeaseError(
      "BACKEND_INCOMPATIBLE",
      "The SQLite backend cannot find out which boot this is (the system has no boot id), and without one it cannot know how old a lease is.",
      undefined,
      { cause },
    );
  }
  throw new LeaseError(
    "BACKEND_INCOMPATIBLE",
    `The SQLite backend needs a clock that all processes of one boot share. It knows that of Linux and macOS, not of "${process.platform}".`,
  );
}

/** A container can have a monotonic clock of its own, with an offset. Kernels before 5.6 have no time namespaces. */
function timeNamespace(): string {
  try {
    return ` ${readlinkSync("/proc/self/ns/time")}`;
  } catch {
    return "";
  }
}
