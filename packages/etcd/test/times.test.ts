/** How long leases have left, where this process cannot know it by its own clock or by what it asked before. */
import { expect, test, vi } from "vitest";
import { etcdBackend } from "../src/index.js";
import { hold, ownEtcd, pause, release, renew, request } from "./helpers.js";

const { etcd, client } = await ownEtcd();

test("a spare etcd lease is kept alive before it is used again after a sleep, in which the monotonic clock stood still", async () => {
  const backend = etcdBackend({ hosts: etcd.endpoints, namespace: "sleep" });
  await release(backend, await hold(backend, "r", { ttlMs: 3000 }));
  const asleepAt = performance.now();
  const clock = vi.spyOn(performance, "now").mockImplementation(() => asleepAt);
  await pause(2000);
  const { token, expiresInMs } = await hold(backend, "r", { ttlMs: 3000 });
  clock.mockRestore();
  expect(expiresInMs).toBe(3000);
  const [kv] = (await client.kv.range({ key: Buffer.from("sleep\0x/r/\0e") })).kvs;
  expect(Number(kv?.create_revision)).toBe(token);
  const { grantedTTL, TTL } = await client.leaseClient.leaseTimeToLive({ ID: String(kv?.lease) });
  // Of four seconds it would otherwise have two left at most.
  expect([Number(grantedTTL), Number(TTL)]).toEqual([4, expect.toSatisfy((left: number) => left >= 3)]);
  await backend.close();
});

test("a refusal says what is left after a renewal that came before it, however soon", async () => {
  const [backend, other] = ["a", "b"].map(() => etcdBackend({ hosts: etcd.endpoints, namespace: "soon" }));
  if (backend === undefined || other === undefined) throw new Error("two were made");
  const held = await hold(other, "r", { ttlMs: 8000 });
  const left = async () => {
    const result = await backend.acquire(request("r", { agentId: "bob" }));
    return result.status === "refused" ? result.blockers[0]?.expiresInMs : undefined;
  };
  await pause(4000);
  const before = await left();
  expect((await renew(other, held)).status).toBe("renewed");
  expect(await left()).toBeGreaterThan(before as number);
  await Promise.all([backend.close(), other.close()]);
});
