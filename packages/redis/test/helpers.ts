/** What most tests of this package need: requests, backends that are closed at the end, and a server of their own. */
import { randomUUID } from "node:crypto";
import type { Lease, LeaseBackend } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";
import { type RedisOptions, type RedisServer, startRedis } from "@lease/test-servers";
import { acquireRequest as request } from "@lease/testing";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { type RedisBackendOptions, redisBackend } from "../src/index.js";

const opened: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

/** Closes something after the test. */
export function closing<T extends { close(): Promise<unknown> }>(each: T): T {
  opened.push(each);
  return each;
}

/** A backend that is closed after the test; in a namespace of its own unless one is given. */
export function open(options: RedisBackendOptions): LeaseBackend {
  return closing(redisBackend({ namespace: randomUUID(), ...options }));
}

/** One server for all tests of a file. */
export function useServer(options: RedisOptions = {}): () => RedisServer {
  let server: RedisServer | undefined;
  beforeAll(async () => {
    server = await startRedis(options);
  });
  afterAll(() => server?.stop());
  return () => server as RedisServer;
}

export { request };

/**
 * A call that is bounded by less than the default of 5 s ends by then, also on a machine that is busy with other things:
 * the bound that was asked for is the one that counts.
 */
export const LESS_THAN_DEFAULT_MS = 4_500;
/** Longer than any test may take: what waits for it would fail the test. */
export const NEVER_MS = 600_000;

/** Asks and must be granted. */
export async function hold(
  backend: LeaseBackend,
  resource: string,
  over: Partial<AcquireRequest> = {},
): Promise<Lease> {
  const result = await backend.acquire(request(resource, over));
  if (result.status !== "granted") return expect.fail(`not granted: ${result.status}`);
  return result.lease;
}

/** Asks and must be queued. */
export async function queue(
  backend: LeaseBackend,
  resource: string,
  over: Partial<AcquireRequest> = {},
): Promise<Lease> {
  const result = await backend.acquire(request(resource, { wait: "queue", ...over }));
  if (result.status !== "refused" || result.lease === null)
    return expect.fail(`not queued: ${result.status}`);
  return result.lease;
}

/** Asks again for a queued request. */
export function again(lease: Lease, over: Partial<AcquireRequest> = {}): AcquireRequest {
  const { id, agentId, claims, ttlMs } = lease;
  return request("", { id, agentId, claims, ttlMs, wait: "queue", ...over });
}

export async function release(backend: LeaseBackend, { id, agentId, token }: Lease): Promise<string> {
  const [result] = await backend.release([{ kind: "release", id, agentId, token }]);
  return (result as { status: string }).status;
}

/** How many commands a server carried out since `CONFIG RESETSTAT`, without those of connecting and asking. */
export async function commandsOf(server: RedisServer): Promise<Map<string, number>> {
  const stats = String(await server.command("INFO", "commandstats"));
  return new Map(
    [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name, calls]) => [
      name ?? "",
      Number(calls),
    ]),
  );
}

/** The value of one field of `INFO`. */
export async function info(server: RedisServer, field: string): Promise<string> {
  const text = String(await server.command("INFO", "everything"));
  return new RegExp(`^${field}:(.*?)\\r?$`, "m").exec(text)?.[1] ?? "";
}

/** Waits until so many channels have a subscriber. */
export async function subscribed(server: RedisServer, channels: number): Promise<void> {
  await expect
    .poll(async () => ((await server.command("PUBSUB", "CHANNELS")) as unknown[]).length, { interval: 5 })
    .toBe(channels);
}

/** Waits until a replica has all that its master had when this was called. */
export async function caughtUp(master: RedisServer, replica: RedisServer): Promise<void> {
  const written = Number(await info(master, "master_repl_offset"));
  const received = async () => Number(await info(replica, "slave_repl_offset"));
  await expect.poll(received).toBeGreaterThanOrEqual(written);
}
