/** Refuses places where processes would not share SQLite's locks, or not its log, and so get the same lease. */
import { readFileSync, type Stats, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { LeaseError } from "@lease/core";
import { linked, statOf } from "./files.js";

/** What the system says of places. */
export interface FileSystem {
  /** The type of a folder's file system, as `statfs` numbers them. */
  typeOf(folder: string): number;
  /** What is mounted where, as in `/proc/self/mountinfo`. */
  mounts(): string;
}

export const SYSTEM: FileSystem = Object.freeze({
  typeOf: (folder: string) => statfsSync(folder).type,
  mounts: () => readFileSync("/proc/self/mountinfo", "utf8"),
});

/** Where locks or shared memory do not reach other machines. From linux/magic.h and the sources of file systems. */
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
 * @param path - the database as it was given, for messages
 * @throws `BACKEND_INCOMPATIBLE` for a folder on a network file system, as far as the system says so (Linux does)
 */
export function checkFolder(path: string, folder: string, system: FileSystem): void {
  // The numbers of other systems mean other things.
  if (process.platform !== "linux") return;
  const type = system.typeOf(folder) >>> 0;
  const name = type === FUSE ? remoteFuse(folder, system) : NETWORK_FILE_SYSTEMS.get(type);
  if (name === undefined) return;
  throw new LeaseError(
    "BACKEND_INCOMPATIBLE",
    `${JSON.stringify(path)} is on a network file system (${name}), where SQLite cannot keep processes apart: put it on a local disk, or use the Redis or etcd backend.`,
  );
}

/**
 * @param real - where the path leads
 * @throws `BACKEND_UNAVAILABLE` for what is no file, `BACKEND_INCOMPATIBLE` for one with a second name or mounted alone
 */
export function checkFile(path: string, real: string, found: Stats, system: FileSystem): void {
  if (!found.isFile()) {
    throw new LeaseError(
      "BACKEND_UNAVAILABLE",
      `The lease database ${JSON.stringify(path)} cannot be opened: that path exists but is not a regular file.`,
    );
  }
  if (found.nlink > 1) throw linked(path);
  if (!isMountPoint(real, found, system)) return;
  throw new LeaseError(
    "BACKEND_INCOMPATIBLE",
    `The lease database ${JSON.stringify(path)} is mounted as a single file: processes on the other side of the mount have another log beside it and would not see each other's leases. Mount its folder instead.`,
  );
}

/** Every file system in user space has the same number; only the mount table says which of them are local disks. */
function remoteFuse(folder: string, system: FileSystem): string | undefined {
  const mounts = mountsOf(system).filter(
    ({ point }) => point === "/" || folder === point || folder.startsWith(`${point}/`),
  );
  const type = mounts.sort((a, b) => a.point.length - b.point.length).at(-1)?.type;
  return type === "fuseblk" ? undefined : type;
}

function isMountPoint(real: string, found: Stats, system: FileSystem): boolean {
  const mounts = mountsOf(system);
  // Without a mount table the devices have to do, which differ on some layered file systems without a mount.
  if (mounts.length === 0) return found.dev !== statOf(dirname(real))?.dev;
  return mounts.some(({ point }) => point === real);
}

/** In the order of mounting; empty where the system has no such table. */
function mountsOf(system: FileSystem): { readonly point: string; readonly type: string }[] {
  let table = "";
  try {
    table = system.mounts();
  } catch {
    // Not Linux.
  }
  return [...table.matchAll(/^(?:\S+ ){4}(\S+) .* - (\S+) /gm)].map(([, point = "", type = ""]) => ({
    point: point.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
    type,
  }));
}
