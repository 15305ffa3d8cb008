/** Keeps processes on cores of their own: where the kernel puts a client and its server decides how long a round trip takes. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** On how many cores client and server run: on the same one, or on one each. */
export type Pinned = 1 | 2;

const CLIENT_CORE = 0;

/** What this process starts from now on stays on its core too. */
export const pinClient = () => pin(process.pid, CLIENT_CORE);
export const pinServer = (pid: number, cores: Pinned) => pin(pid, CLIENT_CORE + cores - 1);

/** @throws where there is no `taskset`, or no such core */
async function pin(pid: number, core: number): Promise<void> {
  await promisify(execFile)("taskset", ["-a", "-c", "-p", `${core}`, `${pid}`]).catch((cause: unknown) => {
    throw new Error(`--pin needs taskset (Linux), and core ${core} could not be had.`, { cause });
  });
}
