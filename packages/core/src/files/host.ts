/** What names this machine, so that equal paths of two machines are two files. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** systemd writes the first one; the second is that of systems with D-Bus alone. */
const MACHINE_IDS = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/**
 * The machine id where the system has one: it survives a change of the host's name, which a network may bring. Containers
 * made from one image may share it, and then share the names of their files too: too wide, never too narrow.
 */
export function hostId(): string {
  known ??= machineId() ?? hostname();
  return known;
}

let known: string | undefined;

function machineId(): string | undefined {
  for (const path of MACHINE_IDS) {
    try {
      const id = readFileSync(path, "utf8").trim();
      if (/^[0-9a-f]{32}$/.test(id)) return id;
    } catch {
      // Not there, or not for us: the next one.
    }
  }
  return undefined;
}
