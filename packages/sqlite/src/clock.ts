/**
 * The clock that decides what is live: milliseconds since the machine started, the same in all processes of one
 * boot, untouched by whoever sets the wall clock. It says nothing across boots, so it comes with a name for the
 * boot: a database last used in another one gives every lease its full time again.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { type Clock, LeaseError, systemClock } from "@lease/core";

export interface BootClock extends Clock {
  /** Names the boot (and on Linux the time namespace) in which `now()` counts. */
  bootId(): string;
}

/** A process that was frozen and thawed on another machine notices after this long. */
const LOOK_AGAIN_MS = 1000;

/** The machine's own. Linux: `CLOCK_MONOTONIC`, which stands still while the machine sleeps. */
export function systemBootClock(readId: () => string = readBootId): BootClock {
  let bootId = "";
  let lookedAt = Number.NaN;
  const now = () => {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1000 + nanoseconds / 1e6;
  };
  return {
    now,
    wallNow: systemClock.wallNow,
    schedule: systemClock.schedule,
    bootId() {
      const elapsedMs = now() - lookedAt;
      // Also when the clock went backwards, and at the first time.
      if (!(elapsedMs >= 0 && elapsedMs < LOOK_AGAIN_MS)) {
        bootId = readId();
        lookedAt = now();
      }
      return bootId;
    },
  };
}

/** An injected clock stands for a boot of its own. */
export function asBootClock(clock: Clock, bootId: () => string): BootClock {
  return {
    now: () => clock.now(),
    wallNow: () => clock.wallNow(),
    schedule: (delayMs, run, options) => clock.schedule(delayMs, run, options),
    bootId,
  };
}

let macBootId: string | undefined;

function readBootId(): string {
  try {
    if (process.platform === "linux") {
      return `${readFileSync("/proc/sys/kernel/random/boot_id", "ascii").trim()}${timeNamespace()}`;
    }
    if (process.platform === "darwin") {
      // Costs a process, and nothing on macOS moves a process to another boot.
      macBootId ??= execFileSync("/usr/sbin/sysctl", ["-n", "kern.bootsessionuuid"], {
        encoding: "ascii",
        timeout: 5000,
      }).trim();
      return macBootId;
    }
  } catch (cause) {
    throw new LeaseError(
      "BACKEND_INCOMPATIBLE",
      "The SQLite backend cannot tell which boot this is (no boot id from the system), and without one it cannot tell how old a lease is.",
      undefined,
      { cause },
    );
  }
  throw new LeaseError(
    "BACKEND_INCOMPATIBLE",
    `The SQLite backend needs a clock that all processes of one boot share: it knows that of Linux and macOS, not of "${process.platform}".`,
  );
}

/** A container can have a monotonic clock of its own, with an offset. Kernels before 5.6 know no such thing. */
function timeNamespace(): string {
  try {
    return ` ${readlinkSync("/proc/self/ns/time")}`;
  } catch {
    return "";
  }
}
