import { randomUUID } from "node:crypto";
import { createLeaseId, isLeaseError } from "@lease/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { conformance, modelTest, type ProcessHost, processHost } from "../src/index.js";

const module = new URL("./memory.worker.ts", import.meta.url);

describe("memory in a child process", () => {
  let host: ProcessHost;
  beforeAll(async () => {
    host = await processHost({ module });
  });
  afterAll(() => host.stop());

  const factory = async () => {
    const name = randomUUID();
    return { open: () => host.open(name), close: async () => {} };
  };
  conformance({ test, factory });
  modelTest({ test, factory, runs: 5, maxActions: 30 });
});

const request = {
  agentId: "alice",
  claims: [{ resource: "r", mode: "exclusive" as const }],
  ttlMs: 60_000,
  maxRenewals: null,
  wait: "queue" as const,
  waitTtlMs: 60_000,
  holding: [],
  reason: null,
  metadata: null,
};

test("what the child held under way when it was killed is OUTCOME_UNKNOWN, and what comes after BACKEND_UNAVAILABLE", async () => {
  const host = await processHost({ module });
  const backend = await host.open("killed");
  await backend.acquire({ ...request, id: createLeaseId() });
  const id = createLeaseId();
  await backend.acquire({ ...request, id, agentId: "bob" });
  const waiting = backend.turn({ id, timeoutMs: 60_000 });
  host.kill();
  await expect(waiting).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  await host.exited;
  await expect(backend.list({})).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  await expect(host.open("again")).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
});

test("a stopped child answers nothing: the call ends by itself, and goes on after SIGCONT", async () => {
  const host = await processHost({ module, callTimeoutMs: 200 });
  const backend = await host.open("stopped");
  host.kill("SIGSTOP");
  const id = createLeaseId();
  await expect(backend.acquire({ ...request, id })).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  host.kill("SIGCONT");
  await expect.poll(async () => (await backend.list({ ids: [id] }).catch(() => null))?.leases.length).toBe(1);
  await host.stop();
});

test("errors arrive with code, details and where they come from", async () => {
  const host = await processHost({ module });
  const backend = await host.open("errors");
  const id = createLeaseId();
  await backend.acquire({ ...request, id });
  const asking = backend.acquire({ ...request, id, agentId: "bob" });
  const error: unknown = await asking.catch((cause: unknown) => cause);
  expect(isLeaseError(error, "LEASE_NOT_OWNER")).toBe(true);
  expect(error).toMatchObject({
    details: { leaseId: id },
    cause: expect.stringMatching("In the child process"),
  });
  await host.stop();
});

test("a module that cannot be loaded is told at the start", async () => {
  await expect(processHost({ module: "/nowhere.js" })).rejects.toThrow("/nowhere.js");
});
