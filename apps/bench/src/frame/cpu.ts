/** Processor time of this process and of a server that we started. */
import { readdir, readFile } from "node:fs/promises";

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
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  if (threads.length === 0) return null;
  // The first of its numbers is in nanoseconds, where `stat` counts hundredths of a second: a round is not much longer.
  const times = threads.map((thread) =>
    readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8").catch(() => "0"),
  );
  const used = (await Promise.all(times)).map((text) => Number(text.split(" ")[0]));
  return used.reduce((sum, each) => sum + each, 0) / 1000;
}

/** Microseconds that this process has used. */
export function ownCpu(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
