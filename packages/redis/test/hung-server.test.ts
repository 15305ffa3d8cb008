/** A server that stops answering: every call ends within its bound, holders stop believing by their own clock. */
import { createLeaseManager } from "@lease/core";
import { expect, test } from "vitest";
import { closing, hold, LESS_THAN_DEFAULT_MS, NEVER_MS, open, request, useServer } from "./helpers.js";

const server = useServer();

test("stopped: typed errors within the bound, the holder lost at its own deadline, all well after it goes on", async () => {
  const backend = open({ url: server().url, callTimeoutMs: 400 });
  await hold(backend, "warm");
  const leases = closing(createLeaseManager({ backend, agentId: "agent-1" }));
  const lease = await leases.acquire("held", { ttlMs: 1_500 });

  server().pause();
  try {
    for (let call = 0; call < 3; call += 1) {
      const sent = performance.now();
      await expect(backend.acquire(request(`r/${call}`))).rejects.toMatchObject({
        code: expect.stringMatching(/^(OUTCOME_UNKNOWN|BACKEND_UNAVAILABLE)$/),
      });
      expect(performance.now() - sent).toBeLessThan(LESS_THAN_DEFAULT_MS);
    }
    if (!lease.signal.aborted) {
      await new Promise((resolve) => lease.signal.addEventListener("abort", resolve, { once: true }));
    }
    expect(lease.signal.reason).toMatchObject({ code: "LEASE_LOST", details: { how: "deadline" } });
    expect(lease.isHeld()).toBe(false);
  } finally {
    server().resume();
  }
  const next = await leases.acquire("held", { waitMs: NEVER_MS });
  expect(next.token).toBeGreaterThan(lease.token);
});

test("a server that is not there: BACKEND_UNAVAILABLE within the bound, with what the network said", async () => {
  const backend = open({ url: "redis://127.0.0.1:1", callTimeoutMs: 300 });
  const sent = performance.now();
  await expect(backend.acquire(request("r"))).rejects.toMatchObject({
    code: "BACKEND_UNAVAILABLE",
    message: expect.stringContaining("ECONNREFUSED"),
  });
  expect(performance.now() - sent).toBeLessThan(LESS_THAN_DEFAULT_MS);
});

test("closing while the server hangs does not hang", async () => {
  const backend = open({ url: server().url, callTimeoutMs: NEVER_MS });
  await hold(backend, "warm");
  server().pause();
  try {
    const asking = expect(backend.acquire(request("r"))).rejects.toMatchObject({ code: "CLOSED" });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await backend.close();
    await asking;
  } finally {
    server().resume();
  }
});
