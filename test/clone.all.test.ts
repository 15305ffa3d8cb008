/** A fresh clone: what its first commands do, and what they show meanwhile. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { npmInstall, plainEnv } from "./npm.js";
import { startRegistry } from "./registry.js";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Also for removing a clone with all that was installed into it, where the machine is busy. */
const SLOW = 300_000;

test(
  "npm start shows what it builds, then serves",
  async () => {
    const output = await startUntilReady(clone());
    const built = [...output.matchAll(/^(@lease\/[a-z-]+):build: cache miss/gm)].map(([, name]) => name);
    expect(built).toEqual(expect.arrayContaining(["@lease/core", "@lease/sqlite", "@lease/server"]));
  },
  SLOW,
);

test(
  "npm start serves after npm install, the reflex after cloning",
  async () => {
    const folder = clone();
    const registry = await startRegistry();
    onTestFinished(() => registry.close());
    await npmInstall(folder, registry);
    expect(existsSync(join(folder, "package-lock.json"))).toBe(true);
    await startUntilReady(folder);
  },
  SLOW,
);

/** The workspace as git has it, with what is not committed yet, in a folder of its own. */
function clone(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "lease-clone-")));
  onTestFinished(() => rm(folder, { recursive: true, force: true }), SLOW);
  const list = ["ls-files", "--cached", "--others", "--exclude-standard"];
  const files = execFileSync("git", list, { cwd: root, encoding: "utf8" }).trim().split("\n");
  for (const file of files) if (existsSync(join(root, file))) cpSync(join(root, file), join(folder, file));
  return folder;
}

/**
 * `npm start`, with the packages from pnpm's store: what the workspace was installed from. Ends it once the server
 * is ready.
 *
 * @returns what it printed
 */
async function startUntilReady(folder: string): Promise<string> {
  const env = { ...plainEnv(), pnpm_config_offline: "true", LEASE_PORT: "0" };
  const child = spawn("npm", ["start"], {
    cwd: folder,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit");
  let output = "";
  try {
    await new Promise<void>((resolve, reject) => {
      const read = (chunk: Buffer) => {
        output += chunk;
        if (output.includes("Lease is ready on ")) resolve();
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.once("exit", () => reject(new Error(`npm start ended:\n${output}`)));
    });
  } finally {
    // npm, its shell, and the server that took the shell's place.
    if (child.exitCode === null) process.kill(-(child.pid as number), "SIGTERM");
    await exited;
  }
  return output;
}
