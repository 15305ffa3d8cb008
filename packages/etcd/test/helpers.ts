/** Short words for what most tests ask for. */
import type { Lease, LeaseBackend, LeaseEvent } from "@lease/core";
import type { AcquireRequest, AcquireResult } from "@lease/core/backend";
import { type EtcdCluster, startEtcd } from "@lease/test-servers";
import { acquireRequest as request } from "@lease/testing";
import { noop } from "cockatiel";
import { Etcd3 } from "etcd3";
import { afterAll } from "vitest";

export { request };

export async function hold(
  backend: LeaseBackend,
  resource: string,
  over: Partial<AcquireRequest> = {},
): Promise<Lease> {
  const result = await backend.acquire(request(resource, over));
  if (result.status !== "granted") throw new Error(`expected a grant, got ${JSON.stringify(result)}`);
  return result.lease;
}

export async function renew(backend: LeaseBackend, { id, agentId, token }: Lease, renewal = 1) {
  const [result] = await backend.renew([{ id, agentId, token, renewal }]);
  return result as NonNullable<typeof result>;
}

export async function release(backend: LeaseBackend, { id, agentId, token }: Lease) {
  const [result] = await backend.release([{ kind: "release", id, agentId, token }]);
  return result?.status;
}

export async function history(backend: LeaseBackend, after?: string): Promise<LeaseEvent[]> {
  const events: LeaseEvent[] = [];
  for await (const event of backend.changes({ after })) events.push(event);
  return events;
}

/** Asks again and again while etcd is busy electing. */
export async function untilGranted(
  backend: LeaseBackend,
  asked: AcquireRequest,
): Promise<AcquireResult & { status: "granted" }> {
  return until(async () => {
    const result = await backend.acquire(asked).catch(() => null);
    return result?.status === "granted" ? result : undefined;
  });
}

/** Far beyond what anything here takes, also on a machine that is busy. */
const PATIENCE_MS = 60_000;

/** Polls a condition, so that nothing is decided by a bare sleep. */
export async function until<T>(probe: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`waited ${PATIENCE_MS} ms in vain`);
    await pause(20);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The library alone, for acting behind the back of the backend. */
export function plainClient(hosts: string | readonly string[]): Etcd3 {
  return new Etcd3({
    hosts: typeof hosts === "string" ? hosts : [...hosts],
    faultHandling: { host: () => noop, global: noop },
  });
}

/** An etcd for the tests of one file, and the library alone on it, until they are over. */
export async function ownEtcd(): Promise<{ readonly etcd: EtcdCluster; readonly client: Etcd3 }> {
  const etcd = await startEtcd();
  const client = plainClient(etcd.endpoints);
  afterAll(async () => {
    client.close();
    await etcd.stop();
  });
  return { etcd, client };
}

/** The etcd leases that the server has. */
export async function etcdLeases(client: Etcd3): Promise<string[]> {
  const { leases } = await client.leaseClient.leaseLeases();
  return leases.map(({ ID }) => ID);
}

/** Compacts away all that is over by now. */
export async function compact(client: Etcd3): Promise<void> {
  const { header } = await client.kv.range({ key: Buffer.from("any") });
  await client.kv.compact({ revision: header.revision, physical: true });
}

/** The watches that a member has, by its own account. */
export async function watchers({ endpoints }: EtcdCluster, member = 0): Promise<number> {
  const metrics = await (await fetch(`http://${endpoints[member]}/metrics`)).text();
  return Number(/^etcd_debugging_mvcc_watcher_total (\d+)/m.exec(metrics)?.[1]);
}
