/** Programs that end while they hold or wait: what keeps them alive, and what they leave behind. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { createLeaseManager, listAll } from "@lease/core";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { sqliteBackend } from "../src/index.js";
import { newFolder } from "./folder.js";

const WORKER = fileURLToPath(new URL("./ending.worker.ts", import.meta.url));
let folder: ReturnType<typeof newFolder>;

beforeEach(() => {
  folder = newFolder();
});

afterEach(() => folder.remove());

function start(what: string) {
  const child: ChildProcess = spawn(
    process.execPath,
    ["--unhandled-rejections=strict", WORKER, folder.file(), what],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, output: text(child.stdout as NodeJS.ReadableStream), exited: once(child, "exit") };
}

test("a lease that is held, and a feed that is followed for it, keep no process alive", async () => {
  const { child, output, exited } = start("holds");
  child.stdin?.end();
  expect(await exited).toEqual([0, null]);
  expect(await output).toBe("held\n");
});

test("a waiter that is aborted and exits as soon as it knows has left the queue", async () => {
  const backend = sqliteBackend({ path: folder.file() });
  onTestFinished(() => backend.close());
  const leases = createLeaseManager({ backend, agentId: "holder" });
  const lease = await leases.acquire("a");
  const { child, output, exited } = start("waits");
  await expect.poll(async () => (await listAll(backend, { state: "pending" })).length).toBe(1);
  child.stdin?.write("stop\n");
  expect(await exited).toEqual([0, null]);
  expect(await output).toBe("interrupted\n");
  expect(await listAll(backend, { state: "pending" })).toEqual([]);
  await lease.release();
});
