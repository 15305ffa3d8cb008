/** Processor time of this process and of a server that we started. */
import { readFile } from "node:fs/promises";

/** Linux counts in hundredths of a second on every architecture that Node runs on (USER_HZ). */
const TICK_US = 10_000;

/** Microseconds that the process `pid` and its children have used (Postgres has one a connection); null where there is no /proc. */
export async function cpuOf(pid: number): Promise<number | null> {
  const own = await ownCpuOf(pid);
  if (own === null) return null;
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  const used = await Promise.all(
    children
      .split(" ")
      .filter(Boolean)
      .map((child) => ownCpuOf(Number(child))),
  );
  return used.reduce<number>((sum, us) => sum + (us ?? 0), own);
}

async function ownCpuOf(pid: number): Promise<number | null> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => null);
  if (stat === null) return null;
  // The second field is a name in brackets, which may contain anything; `utime` and `stime` are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

/** Microseconds that this process has used. */
export function ownCpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
