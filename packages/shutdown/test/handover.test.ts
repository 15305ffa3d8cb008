/** What the package is for: a process that ends keeps nobody waiting. With real processes, on every shared store. */
import { openBackend } from "@lease/connect";
import { type LeaseEvent, listAll } from "@lease/core";
import { sharedStores } from "@lease/test-servers";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { startWorker } from "./support.js";

test.for(sharedStores(afterAll))(
  "SIGTERM to a process with 100 leases and 50 waiters elsewhere: all handed over in order, exit 0 ($name)",
  async (store) => {
    const url = await store.url();
    const backend = await openBackend(url);
    onTestFinished(() => backend.close());
    const holder = startWorker("holder", url);
    await holder.printed("ready");
    const waiter = startWorker("waiter", url);
    const inLine = () => listAll(backend, { state: "pending" });
    await expect.poll(async () => (await inLine()).length).toBe(55);
    const places = (await inLine()).filter(({ agentId }) => agentId === "waiter");

    // Every TTL, of leases and of places in the queue, is far beyond this test: who is not handed over fails it.
    holder.process.kill("SIGTERM");
    const ended = await holder.ended();
    const waited = await waiter.ended();

    expect({ ...ended, errors: holder.errors() }).toEqual({ code: 0, signal: null, errors: "" });
    expect(waited.code, waiter.errors()).toBe(0);
    expect(holder.lines.filter((line) => line === "in line: CLOSED")).toHaveLength(5);
    const phases = holder.lines.filter((line) => /^\w+ \d+$/.test(line));
    expect(phases).toEqual(["stop 100", "drain 100", "release 100", "sweep 0", "close 0", "exit 0"]);

    const served = (resource: string) => waiter.lines.filter((line) => line.startsWith(`${resource} `));
    for (let number = 10; number < 20; number += 1) {
      const line = places.filter(({ claims }) => claims[0]?.resource === `r/${number}`);
      expect(served(`r/${number}`)).toEqual(line.map(({ token }) => `r/${number} ${token} released`));
    }
    expect(await listAll(backend, {})).toEqual([]);
    const events: LeaseEvent[] = [];
    for await (const event of backend.changes({})) events.push(event);
    const count = (wanted: string) => events.filter(({ type }) => type === wanted).length;
    expect([count("acquired"), count("released"), count("cancelled"), count("expired")]).toEqual([
      150, 150, 5, 0,
    ]);
  },
);
