/** A waiter that gives up at any moment, also in that of its grant, leaves nothing in the file. */
import { setImmediate as turn } from "node:timers/promises";
import { createLeaseManager } from "@lease/core";
import { expect, test } from "vitest";
import { sqliteBackend } from "../src/index.js";
import { newFolder } from "./folder.js";

test("a thousand aborts at random moments leave no lease behind", async () => {
  const folder = newFolder();
  const backend = sqliteBackend({ path: folder.file() });
  const leases = createLeaseManager({ backend, agentId: "alice" });
  let granted = 0;
  let aborted = 0;

  async function tryOnce(): Promise<void> {
    const controller = new AbortController();
    const acquiring = leases.acquire("a", { signal: controller.signal });
    const turns = Math.floor(Math.random() * 40);
    const aborting = (async () => {
      for (let passed = 0; passed < turns; passed += 1) await turn();
      controller.abort(new Error("stop"));
    })();
    await acquiring.then(
      async (lease) => {
        granted += 1;
        await lease.release();
      },
      () => {
        aborted += 1;
      },
    );
    await aborting;
  }

  const workers = Array.from({ length: 20 }, async () => {
    for (let round = 0; round < 50; round += 1) await tryOnce();
  });
  await Promise.all(workers);
  await leases.close();
  expect(granted + aborted).toBe(1_000);
  // Both ends happened often enough for their moments to have met.
  expect(Math.min(granted, aborted)).toBeGreaterThan(20);
  expect((await backend.list({})).leases).toEqual([]);
  await backend.close();
  folder.remove();
});
