/** Two processes that each wait for what the other holds, on every store that processes can share. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { listAll } from "@lease/core";
import { sharedStores } from "@lease/test-servers";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { openBackend } from "../src/index.js";

const path = fileURLToPath(new URL("./deadlock.worker.ts", import.meta.url));

/** Starts an agent in a process of its own; resolves once it holds its lease. */
async function startAgent(...args: readonly string[]) {
  const child: ChildProcess = spawn(process.execPath, ["--unhandled-rejections=strict", path, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface(child.stdout as NodeJS.ReadableStream)[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("holding");
  const exited = once(child, "exit");
  return {
    goOn: () => child.stdin?.write("go\n"),
    answer: async () => JSON.parse((await lines.next()).value as string),
    exitCode: async () => (await exited)[0],
  };
}

describe.for(sharedStores(afterAll))("on $name", (store) => {
  test.for(["lease.acquire", "sequential"])(
    "the request that closes the circle is refused with the circle, the other gets its lease (%s)",
    async (mode) => {
      const url = await store.url();
      const backend = await openBackend(url);
      onTestFinished(() => backend.close());
      const alice = await startAgent(url, "alice", "a", "b", mode);
      const bob = await startAgent(url, "bob", "b", "a", mode);
      alice.goOn();
      await expect.poll(async () => (await listAll(backend, { state: "pending" })).length).toBe(1);
      bob.goOn();

      const refused = await bob.answer();
      expect(refused.deadlock).toMatchObject([
        { agentId: "bob", resources: ["a"], blockedByAgentId: "alice", blockedByState: "active" },
        { agentId: "alice", resources: ["b"], blockedByAgentId: "bob", blockedByState: "active" },
      ]);
      expect(refused.message).toContain('bob waits for "a", but alice holds "a"');
      // Bob's process ends and lets go, and alice is served.
      expect(await alice.answer()).toEqual({ granted: true });
      expect([await alice.exitCode(), await bob.exitCode()]).toEqual([0, 0]);
    },
  );
});
