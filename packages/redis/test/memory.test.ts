/** A Redis without memory left: new leases are refused, what is held can be renewed and given back. */
import type { Lease } from "@lease/core";
import { expect, test } from "vitest";
import { hold, open, queue, release, request, useServer } from "./helpers.js";

const server = useServer({ args: ["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"] });

test("maxmemory with noeviction: BACKEND_FULL for acquire; renew, revoke, release and sweep still work", async () => {
  const backend = open({ url: server().url, namespace: "full" });
  const held: Lease[] = [];
  const metadata = { filler: "x".repeat(4000) };
  const fill = async () => {
    for (;;) held.push(await hold(backend, `r/${held.length}`, { metadata }));
  };
  await expect(fill()).rejects.toMatchObject({ code: "BACKEND_FULL" });
  expect(held.length).toBeGreaterThan(10);
  const live = async () => (await backend.list({ limit: 1000 })).leases.length;
  expect(await live()).toBe(held.length);

  const [first, second, third, fourth] = held as [Lease, Lease, Lease, Lease];
  const wait = request("r/0", { wait: "queue", metadata });
  await expect(backend.acquire(wait)).rejects.toMatchObject({ code: "BACKEND_FULL" });
  expect(await backend.renew([first])).toMatchObject([{ status: "renewed", lease: { renewals: 1 } }]);
  expect(
    await backend.release([{ kind: "revoke", id: second.id, by: "op", reason: null, graceMs: 0 }]),
  ).toEqual([{ status: "revoked" }]);
  expect(await release(backend, first)).toBe("released");
  expect(await backend.release([{ kind: "abandon", id: third.id, agentId: "alice" }])).toEqual([
    { status: "released" },
  ]);
  expect(await backend.renew([second])).toMatchObject([{ status: "revoked", by: "op" }]);
  expect(await backend.sweep({ historyRetentionMs: 0 })).toMatchObject({ pruned: expect.any(Number) });

  // With the history gone there is room again.
  const again = await hold(backend, "r/0", { agentId: "bob" });
  expect(await release(backend, again)).toBe("released");
  expect(await release(backend, fourth)).toBe("released");
  expect(await live()).toBe(held.length - 4);
});

test("an acquire and a release in one script call: the one is refused, the other done", async () => {
  const backend = open({ url: server().url, namespace: "mixed" });
  await server().command("FLUSHALL");
  const lease = await hold(backend, "r");
  const pending = await queue(backend, "r", { agentId: "bob" });
  await server().command("CONFIG", "SET", "maxmemory", "1");
  try {
    const [refused, released] = await Promise.allSettled([
      backend.acquire(request("s")),
      release(backend, lease),
    ]);
    expect(refused).toMatchObject({ reason: { code: "BACKEND_FULL" } });
    expect(released).toMatchObject({ value: "released" });
    expect(await backend.acquire(request("", { ...asAgain(pending) }))).toMatchObject({ status: "granted" });
    expect((await backend.list({})).leases.map(({ id }) => id)).toEqual([pending.id]);
    // What was decided twice is told once, and told.
    const told: string[] = [];
    for await (const { type } of backend.changes({})) told.push(type);
    expect(told).toEqual(["acquired", "queued", "released", "acquired"]);
  } finally {
    await server().command("CONFIG", "SET", "maxmemory", "0");
  }
});

function asAgain({ id, agentId, claims }: Lease) {
  return { id, agentId, claims, wait: "queue" as const };
}
