/**
 * The database as a file: is it still the one that was opened, and does its file system keep SQLite's promises?
 *
 * Nothing here opens the file: closing any descriptor of it would drop the locks that SQLite holds in this process
 * (https://sqlite.org/howtocorrupt.html, section 2.2).
 */
import { readFileSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { LeaseError } from "@lease/core";

/** Which file stands at a path, whatever its name. */
export interface FileIdentity {
  readonly dev: number;
  readonly ino: number;
  readonly isFile: boolean;
}

/** @returns `null` when there is none */
export function identify(path: string): FileIdentity | null {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? null : { dev: found.dev, ino: found.ino, isFile: found.isFile() };
}

/** Whether the path still leads to the file that was opened: not after it was deleted, moved or replaced. */
export function isStill(path: string, opened: FileIdentity): boolean {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found !== undefined && found.ino === opened.ino && found.dev === opened.dev;
  } catch {
    return false;
  }
}

/**
 * Which file is given a new time to call those who wait in line, once a commit can be seen: the database, which commits
 * do not write to, or else the log. On Linux a watch opens no file, elsewhere it would and must not open the database.
 * And only the owner may give a time, so nobody else may be able to write.
 */
export function fileToCallWith(path: string, logPath: string): string {
  const othersMayWrite = (statSync(path).mode & 0o022) !== 0;
  return process.platform === "linux" && !othersMayWrite ? path : logPath;
}

/** Tells the type of the file system of a folder, as `statfs` numbers them. */
export type FileSystemTypeOf = (folder: string) => number;

const systemTypeOf: FileSystemTypeOf = (folder) => statfsSync(folder).type;

/**
 * Where locks or shared memory do not reach other machines, and SQLite in WAL mode gives two of them the same lease.
 * From linux/magic.h and the sources of those file systems.
 */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xfe534d42, "SMB"],
  [0xff534d42, "CIFS"],
  [0x01021997, "9p"],
  [0x5346414f, "AFS"],
  [0x6b414653, "AFS"],
  [0x00c36400, "Ceph"],
  [0x73757245, "Coda"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
  [0x01161970, "GFS2"],
  [0x7461636f, "OCFS2"],
  [0x564c, "NCP"],
  [0x786f4256, "a folder shared into a virtual machine"],
]);

const FUSE = 0x65735546;

/**
 * @throws `BACKEND_INCOMPATIBLE` on a network file system, as far as the system tells (Linux does)
 */
export function refuseNetworkFileSystem(path: string, typeOf: FileSystemTypeOf = systemTypeOf): void {
  // The numbers of other systems mean other things.
  if (process.platform !== "linux") return;
  const folder = dirname(path);
  let type: number;
  try {
    type = typeOf(folder) >>> 0;
  } catch {
    return; // Opening the file will say what is wrong with its folder.
  }
  const name = type === FUSE ? remoteFuse(folder) : NETWORK_FILE_SYSTEMS.get(type);
  if (name === undefined) return;
  throw new LeaseError(
    "BACKEND_INCOMPATIBLE",
    `${JSON.stringify(path)} is on a network file system (${name}), where SQLite cannot keep processes apart: put it on a local disk, or use the Redis or etcd backend.`,
  );
}

/** Everything in user space has the same number; only the mount table tells a local disk from another machine. */
function remoteFuse(folder: string): string | undefined {
  const type = mountType(folder);
  const isLocal = type === "fuseblk" || type === undefined;
  return isLocal ? undefined : type;
}

/** The type of the longest mount point that the folder lies under. */
function mountType(folder: string): string | undefined {
  let longest = -1;
  let type: string | undefined;
  for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n")) {
    const [, escaped, found] = line.split(" ");
    if (escaped === undefined) continue;
    const point = escaped.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
    const inside = point === "/" || folder === point || folder.startsWith(`${point}/`);
    if (!inside || point.length < longest) continue;
    longest = point.length;
    type = found;
  }
  return type;
}
