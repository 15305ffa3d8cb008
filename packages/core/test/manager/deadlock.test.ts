import { type AcquireOptions, type Lease, type LeaseHandle, type LeaseManager, MAX } from "@lease/core";
import type { LeaseQuery } from "@lease/core/backend";
import { expect, test } from "vitest";
import { cycleThrough, meddled, rejection, settled, world } from "./support.js";

/** Starts to wait and lets it take its place in line. */
async function waitFor(
  from: LeaseHandle | LeaseManager,
  resource: string,
  options: AcquireOptions = {},
): Promise<{ readonly granted: Promise<LeaseHandle> }> {
  const granted = from.acquire(resource, { waitMs: 60_000, ...options });
  granted.catch(() => undefined);
  await settled();
  return { granted };
}

test("two agents that each wait for what the other holds: the one that closes the circle is refused, with the circle", async () => {
  const { manager, live } = world();
  const alice = await manager({ agentId: "alice" }).acquire("a");
  const bob = await manager({ agentId: "bob" }).acquire("b");
  const aliceWaits = await waitFor(alice, "b");
  const error = await rejection(bob.acquire("a", { waitMs: 60_000 }));
  expect(error.code).toBe("LEASE_DEADLOCK");
  expect(error.details.cycle).toMatchObject([
    { agentId: "bob", resources: ["a"], blockedById: alice.id },
    { agentId: "alice", resources: ["b"], blockedById: bob.id },
  ]);
  expect(error.message).toBe(
    'This request would wait for itself: bob waits for "a", but alice holds "a"; alice waits for "b", but bob holds "b". Next: release what you hold, then ask for all of it in one request.',
  );
  // It has left the line when the error arrives, so that asking anew does not stand behind itself.
  expect(await live()).toEqual(["alice active a", "bob active b", "alice pending b"]);
  await bob.release();
  expect((await aliceWaits.granted).isHeld()).toBe(true);
});

test("an agent that states what it holds and asks for the same again waits for itself", async () => {
  const { manager } = world();
  const lease = await manager().acquire("a");
  const error = await rejection(lease.acquire("a"));
  expect(error.code).toBe("LEASE_DEADLOCK");
  expect(error.details.cycle).toMatchObject([{ agentId: "alice", blockedById: lease.id }]);
});

test("a sequential manager states all that it holds", async () => {
  const { manager } = world();
  const alice = manager({ agentId: "alice", sequential: true });
  const bob = manager({ agentId: "bob", sequential: true });
  await alice.acquire("a");
  await bob.acquire("b");
  await waitFor(alice, "b");
  expect((await rejection(bob.acquire("a"))).code).toBe("LEASE_DEADLOCK");
});

test("a sequential manager acquires also when it holds more than a request can state", async () => {
  const { manager } = world();
  const leases = manager({ sequential: true });
  for (let index = 0; index <= MAX.holding; index += 1) await leases.acquire(`r${index}`);
  expect((await leases.acquire("more")).lease.holding).toHaveLength(MAX.holding);
});

test("what is acquired under a lease states all that the lease was acquired under, so three levels hide no deadlock", async () => {
  const { manager } = world();
  const first = await manager().acquire("a");
  const second = await first.acquire("b");
  const third = await second.acquire("c");
  expect(third.lease.holding).toEqual([second.id, first.id]);
  const error = await rejection(third.acquire("a"));
  expect(error.code).toBe("LEASE_DEADLOCK");
  expect(error.details.cycle).toMatchObject([{ blockedById: first.id }]);
});

test("three levels across two agents: the one that closes the cycle is refused", async () => {
  const { manager } = world();
  const alice = await (await manager({ agentId: "alice" }).acquire("a")).acquire("b");
  const bob = await manager({ agentId: "bob" }).acquire("c");
  const bobWaits = await waitFor(bob, "a");
  expect((await rejection(alice.acquire("c", { waitMs: 60_000 }))).code).toBe("LEASE_DEADLOCK");
  await alice.release();
  await bob.release();
  expect((await rejection(bobWaits.granted)).code).toBe("CLOSED");
});

test("nothing is guessed from names: a second flow of the same agent waits its turn", async () => {
  const { manager } = world();
  const leases = manager();
  const first = await leases.acquire("a");
  const second = await waitFor(leases, "a");
  await first.release();
  expect((await second.granted).isHeld()).toBe(true);
});

test("what another agent holds cannot be stated as one's own", async () => {
  const { manager } = world();
  const bob = await manager({ agentId: "bob" }).acquire("a");
  const waiting = manager().acquire("a", { holding: [bob.id] });
  await settled();
  await bob.release();
  expect((await waiting).isHeld()).toBe(true);
});

test("acquiring more below a wide waiter in line is a circle too", async () => {
  const { manager } = world();
  const alice = await manager({ agentId: "alice" }).acquire("src/a.ts");
  const wide = await waitFor(manager({ agentId: "bob" }), "src/**");
  const error = await rejection(alice.acquire("src/b.ts"));
  expect(error.code).toBe("LEASE_DEADLOCK");
  expect(error.details.cycle).toMatchObject([
    { agentId: "alice", resources: ["src/b.ts"] },
    { agentId: "bob", resources: ["src/**"], blockedById: alice.id },
  ]);
  expect(error.message).toContain('alice waits for "src/b.ts", but bob is queued before it for "src/**"');
  await alice.release();
  expect((await wide.granted).isHeld()).toBe(true);
});

test("a circle of five is found by the one that closes it", async () => {
  const { manager } = world();
  const names = ["r0", "r1", "r2", "r3", "r4"];
  const held = await Promise.all(
    names.map((name, index) => manager({ agentId: `agent-${index}` }).acquire(name)),
  );
  for (const index of [0, 1, 2, 3]) await waitFor(held[index] as LeaseHandle, `r${index + 1}`);
  const error = await rejection((held[4] as LeaseHandle).acquire("r0"));
  expect(error.code).toBe("LEASE_DEADLOCK");
  expect(error.details.cycle).toHaveLength(5);
});

test("two that close a circle at the same moment: exactly the youngest withdraws", async () => {
  const { manager } = world();
  const alice = await manager({ agentId: "alice" }).acquire("a");
  const bob = await manager({ agentId: "bob" }).acquire("b");
  const first = alice.acquire("b");
  const second = rejection(bob.acquire("a"));
  expect((await second).code).toBe("LEASE_DEADLOCK");
  await bob.release();
  expect((await first).isHeld()).toBe(true);
});

test("the request that closed the circle has left the line when its error arrives, however slow the store", async () => {
  const { manager, backend, clock } = world();
  const slow = meddled(backend, {
    release: async (requests) => {
      await new Promise<void>((resolve) => clock.schedule(1_000, resolve));
      return backend.release(requests);
    },
  });
  const lease = await manager({ backend: slow }).acquire("a");
  let pending: number | undefined;
  const refused = lease.acquire("a").catch(async () => {
    pending = (await backend.list({ state: "pending" })).leases.length;
  });
  await clock.advance(1_000);
  await refused;
  expect(pending).toBe(0);
});

test("a wait is looked at once, when it begins", async () => {
  const { manager, backend, clock } = world();
  let looks = 0;
  const counting = meddled(backend, {
    list: (query) => {
      looks += 1;
      return backend.list(query);
    },
  });
  await manager({ agentId: "bob" }).acquire("b");
  const lease = await manager({ backend: counting }).acquire("a");
  const waiting = rejection(lease.acquire("b", { waitMs: 60_000 }));
  await clock.advance(60_000);
  expect((await waiting).code).toBe("LEASE_UNAVAILABLE");
  expect(looks).toBe(2); // who is in line, and what they hold
});

test("a look that fails is repeated at the next heartbeat", async () => {
  const { manager, backend, clock } = world();
  const { LeaseError } = await import("@lease/core");
  let looks = 0;
  const flaky = meddled(backend, {
    list: (query) => {
      looks += 1;
      return looks === 1
        ? Promise.reject(new LeaseError("BACKEND_UNAVAILABLE", "down"))
        : backend.list(query);
    },
  });
  const lease = await manager({ backend: flaky }).acquire("a");
  const waiting = rejection(lease.acquire("a"));
  await clock.advance(6_000);
  expect((await waiting).code).toBe("LEASE_DEADLOCK");
});

test("a picture torn between two pages is not believed: the second look decides", async () => {
  const { manager, backend } = world();
  const alice = await manager({ agentId: "alice" }).acquire("a");
  const bob = await manager({ agentId: "bob" }).acquire("b");
  const aliceWaits = await waitFor(manager({ agentId: "alice" }), "b", { holding: [alice] });
  let looks = 0;
  const torn = meddled(backend, {
    list: async (query) => {
      const page = await backend.list(query);
      looks += 1;
      // Between the two looks alice gives up what she holds.
      if (looks === 2) await alice.release();
      return page;
    },
  });
  const bobs = manager({ agentId: "bob", backend: torn });
  const granted = await bobs.acquire("a", { holding: [bob.id] });
  expect(granted.isHeld()).toBe(true);
  await bob.release();
  expect((await aliceWaits.granted).isHeld()).toBe(true);
});

test("a turn that comes while its waiter still looks is served at once", async () => {
  const { manager, backend } = world();
  const held = await manager({ agentId: "bob" }).acquire("a");
  const endless = meddled(backend, { list: () => new Promise(() => {}) });
  const mine = await manager({ backend: endless }).acquire("b");
  const waiting = mine.acquire("a", { waitMs: 60_000 });
  await settled();
  await held.release();
  expect((await waiting).isHeld()).toBe(true);
});

test("the graph: only circles through the youngest count", () => {
  const lease = (id: string, token: number, more: Partial<Lease>): Lease =>
    ({ id, token, agentId: id, state: "active", holding: [], ...more }) as Lease;
  const claim = (resource: string) => [{ resource, mode: "exclusive" as const }];
  const graph = [
    lease("held-a", 1, { agentId: "alice", claims: claim("a") }),
    lease("held-b", 2, { agentId: "bob", claims: claim("b") }),
    lease("older", 3, { agentId: "alice", state: "pending", claims: claim("b"), holding: ["held-a"] }),
    lease("younger", 4, { agentId: "bob", state: "pending", claims: claim("a"), holding: ["held-b"] }),
  ];
  expect(cycleThrough("younger", graph)?.map((step) => step.waitingId)).toEqual(["younger", "older"]);
  expect(cycleThrough("older", graph)).toBeNull();
  expect(cycleThrough("held-a", graph)).toBeNull();
  expect(cycleThrough("younger", graph.slice(1))).toBeNull();
});

test("the look for deadlocks in a slow store counts as waiting", async () => {
  const { manager, backend, clock } = world();
  const slow = meddled(backend, {
    list: async (query) => {
      await new Promise<void>((resolve) => clock.schedule(400, resolve));
      return backend.list(query);
    },
  });
  await manager({ agentId: "bob" }).acquire("a");
  const mine = await manager({ backend: slow }).acquire("b");
  const startedAt = clock.now();
  const waited = rejection(mine.acquire("a", { waitMs: 1_000 })).then(() => clock.now() - startedAt);
  await clock.advance(2_000);
  expect(await waited).toBe(1_000);
});

test("a request that holds something looks only at what waits for that, however many are queued elsewhere", async () => {
  const { manager, backend } = world();
  const busy = await manager({ agentId: "busy" }).acquire("busy");
  for (let index = 0; index < 50; index += 1) {
    await waitFor(manager({ agentId: `w${index}` }), "busy");
  }
  const listed: LeaseQuery[] = [];
  const seen: number[] = [];
  const watched = meddled(backend, {
    list: async (query) => {
      listed.push(query);
      const page = await backend.list(query);
      seen.push(page.leases.length);
      return page;
    },
  });
  const alice = await manager({ agentId: "alice", backend: watched }).acquire("mine");
  const waiting = await waitFor(alice, "busy");
  expect(listed).toEqual([
    expect.objectContaining({ ids: [alice.id] }),
    expect.objectContaining({ resource: "mine", state: "pending" }),
  ]);
  expect(seen).toEqual([1, 0]);
  await busy.release();
  await alice.release();
  await rejection(waiting.granted);
});
