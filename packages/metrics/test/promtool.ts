/** Prometheus's own checker, where there is one: named by PROMTOOL, on the PATH, or unpacked below `.cache`. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const cached = fileURLToPath(new URL("../../../.cache/promtool/usr/bin/promtool", import.meta.url));
const onPath = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "promtool"));

/** Its path, or `null`: tests that need it are then skipped by name. */
export const promtool = [process.env.PROMTOOL ?? "", ...onPath, cached].find(isExecutable) ?? null;

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return path !== "";
  } catch {
    return false;
  }
}
