/** The step that frees a resource grants it to the next in the queue, where its client listens and takes that. */
import {
  createLeaseManager,
  type Lease,
  type LeaseBackend,
  type LeaseEvent,
  systemClock,
  waitForLease,
} from "@lease/core";
import { expect, test, vi } from "vitest";
import {
  again,
  closing,
  commandsOf,
  hold,
  open,
  queue,
  release,
  request,
  subscribed,
  useServer,
} from "./helpers.js";
import { startProxy } from "./proxy.js";

const server = useServer();
const LONG_MS = 30_000;

/** A queued request that takes a hand-off, and whose client listens. */
async function waiter(backend: LeaseBackend, over = {}): Promise<{ lease: Lease; turn: Promise<void> }> {
  const lease = await queue(backend, "r", { agentId: "bob", wait: "hand-off", ...over });
  const turn = backend.turn({ id: lease.id, timeoutMs: LONG_MS });
  turn.catch(() => {});
  await subscribed(server(), 1);
  // The client hears of that before the first answer, and what it asks then is answered before the second.
  for (const _ of [1, 2]) await backend.acquire(again(lease, { ...over, wait: "hand-off" }));
  return { lease, turn };
}

async function history(backend: LeaseBackend): Promise<LeaseEvent[]> {
  const events: LeaseEvent[] = [];
  for await (const event of backend.changes({})) events.push(event);
  return events;
}

test("a release hands the lease to the next in the queue: one command for both", async () => {
  const [backend, other] = [1, 2].map(() => open({ url: server().url, namespace: "two" })) as [
    LeaseBackend,
    LeaseBackend,
  ];
  const held = await hold(other, "r");
  const { lease: pending, turn } = await waiter(backend);
  await server().command("CONFIG", "RESETSTAT");
  await release(other, held);
  await turn;
  expect((await commandsOf(server())).get("evalsha")).toBe(1);
  const [listed] = (await other.list({})).leases;
  await server().command("CONFIG", "RESETSTAT");
  const granted = await backend.acquire(again(pending, { wait: "hand-off" }));
  expect((await commandsOf(server())).has("evalsha")).toBe(false);

  expect(granted).toMatchObject({ status: "granted", repeated: false });
  const { lease } = granted as { lease: Lease };
  // All as another client sees it, but for the time that has passed.
  expect({ ...lease, expiresInMs: 0 }).toEqual({ ...listed, expiresInMs: 0 });
  expect(lease).toMatchObject({ state: "active", token: pending.token });
  expect(lease.expiresInMs).toBeLessThanOrEqual(listed?.expiresInMs ?? 0);
  expect(lease.expiresInMs).toBeGreaterThan(pending.ttlMs - 1_000);
  expect((await history(other)).slice(-2)).toMatchObject([
    { type: "released", lease: { id: held.id } },
    { type: "acquired", lease: { id: pending.id, acquiredAt: lease.acquiredAt } },
  ]);
  expect(await release(backend, lease)).toBe("released");
});

test("who does not ask for it is called, and granted when it asks", async () => {
  const backend = open({ url: server().url });
  const held = await hold(backend, "r");
  const { lease: pending, turn } = await waiter(backend);
  // The last question counts.
  await backend.acquire(again(pending));
  await release(backend, held);
  await turn;
  expect((await backend.list({})).leases).toMatchObject([{ id: pending.id, state: "pending" }]);
});

test("to whoever nobody listens for, nothing is handed: the next one is not kept waiting for longer", async () => {
  const namespace = "crashed";
  const other = open({ url: server().url, namespace });
  const crashing = open({ url: server().url, namespace });
  const held = await hold(other, "r");
  const { lease: pending, turn } = await waiter(crashing);
  const ended = expect(turn).rejects.toMatchObject({ code: "CLOSED" });
  await crashing.close();
  await ended;
  await subscribed(server(), 0);
  await release(other, held);
  expect((await other.list({})).leases).toMatchObject([{ id: pending.id, state: "pending" }]);
});

test("the message is lost: the waiter finds its lease when it asks, with the time that is left", async () => {
  const namespace = "lost message";
  const other = open({ url: server().url, namespace });
  const proxy = closing(await startProxy(server().port));
  const backend = open({ url: proxy.url, namespace, callTimeoutMs: 2_000 });
  const leases = closing(createLeaseManager({ backend, agentId: "bob" }));
  const held = await hold(other, "r");
  const acquiring = leases.acquire("r", { waitMs: LONG_MS, ttlMs: LONG_MS });
  await subscribed(server(), 1);
  const [, pending] = (await other.list({})).leases as [Lease, Lease];
  proxy.dropAnswers();
  await release(other, held);
  expect((await other.list({})).leases).toMatchObject([{ id: pending.id, state: "active" }]);
  const handedAt = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 500));
  proxy.reset();
  proxy.passAnswers();
  const lease = await acquiring;
  expect(lease).toMatchObject({ id: pending.id, token: pending.token });
  // Counted from the hand-off, not from when it was heard of.
  expect(lease.remainingMs()).toBeLessThanOrEqual(LONG_MS - (performance.now() - handedAt));
});

test("the message comes late: the time that is left is counted from the hand-off", async () => {
  const namespace = "late message";
  const other = open({ url: server().url, namespace });
  const proxy = closing(await startProxy(server().port));
  const backend = open({ url: proxy.url, namespace });
  const held = await hold(other, "r");
  const { lease: pending, turn } = await waiter(backend, { ttlMs: LONG_MS });
  proxy.holdAnswers();
  await release(other, held);
  const handedAt = performance.now();
  // Late, and yet so young that it is believed.
  await new Promise((resolve) => setTimeout(resolve, 100));
  proxy.passAnswers();
  await turn;
  await server().command("CONFIG", "RESETSTAT");
  const left = LONG_MS - (performance.now() - handedAt);
  const granted = await backend.acquire(again(pending, { wait: "hand-off" }));
  expect(granted).toMatchObject({ status: "granted" });
  expect((granted as { lease: Lease }).lease.expiresInMs).toBeLessThanOrEqual(left);
  expect((granted as { lease: Lease }).lease.expiresInMs).toBeGreaterThan(left - 1_000);
  expect((await commandsOf(server())).has("evalsha")).toBe(false);
});

test.each([
  // Asleep, the monotonic clock stands still.
  { what: "the machine slept in between", wallMs: 10_000, asks: true },
  { what: "the wall clock was set back in between", wallMs: -10_000, asks: false },
])("$what: an old hand-off is asked about, a young one is not", async ({ wallMs, asks }) => {
  const backend = open({ url: server().url });
  const held = await hold(backend, "r");
  const { lease: pending, turn } = await waiter(backend, { ttlMs: LONG_MS });
  await release(backend, held);
  await turn;
  await server().command("CONFIG", "RESETSTAT");
  const then = Date.now();
  const clock = vi.spyOn(Date, "now").mockImplementation(() => then + wallMs);
  const granted = await backend.acquire(again(pending, { wait: "hand-off" }));
  clock.mockRestore();
  expect(granted).toMatchObject({ status: "granted", repeated: false, lease: { token: pending.token } });
  expect((await commandsOf(server())).has("evalsha")).toBe(asks);
});

test("a hand-off that the server's clock cannot have shown yet is asked about", async () => {
  const backend = open({ url: server().url });
  const held = await hold(backend, "r");
  const { lease: pending, turn } = await waiter(backend);
  const [channel] = (await server().command("PUBSUB", "CHANNELS")) as [string];
  const at = Date.now() + 60_000;
  await server().command("PUBLISH", channel, `${pending.id} ${pending.token} ${at}`);
  await turn;
  expect(await backend.acquire(again(pending, { wait: "hand-off" }))).toMatchObject({ status: "refused" });
  await release(backend, held);
});

test("an id that was released after its hand-off has nothing left of it", async () => {
  const backend = open({ url: server().url });
  const held = await hold(backend, "r");
  const { lease: pending, turn } = await waiter(backend);
  const [channel] = (await server().command("PUBSUB", "CHANNELS")) as [string];
  await release(backend, held);
  await turn;
  const [{ acquiredAt } = {}] = (await backend.list({})).leases;
  expect(await release(backend, pending)).toBe("released");
  await hold(backend, "r", { agentId: "carol" });
  const asked = again(pending, { wait: "hand-off" });
  expect(await backend.acquire(asked)).toMatchObject({ status: "refused", position: 2 });
  // A late message of its earlier life, too, is not for this one.
  const message = `${pending.id} ${pending.token} ${Date.parse(String(acquiredAt))}`;
  await server().command("PUBLISH", channel, message);
  await backend.turn({ id: pending.id, timeoutMs: LONG_MS });
  expect(await backend.acquire(asked)).toMatchObject({ status: "refused", position: 2 });
});

test("a hand-off that is found by asking is told as new, once, and only to whom it was handed", async () => {
  const namespace = "found by asking";
  const other = open({ url: server().url, namespace });
  const backend = open({ url: server().url, namespace });
  for (const asksFirst of [backend, other]) {
    const held = await hold(other, "r");
    const { lease: pending, turn } = await waiter(backend);
    await release(other, held);
    // Without the flag it is asked for at the server.
    const first = await asksFirst.acquire(again(pending));
    expect(first).toMatchObject({ status: "granted", repeated: asksFirst === other });
    await turn;
    const second = await backend.acquire(again(pending));
    expect(second).toMatchObject({ status: "granted", repeated: true });
    expect((await other.list({ state: "active" })).leases).toMatchObject([{ id: pending.id }]);
    expect(await release(backend, pending)).toBe("released");
  }
});

test("a closed backend tells of no hand-off", async () => {
  const backend = open({ url: server().url });
  const held = await hold(backend, "r");
  const { lease: pending, turn } = await waiter(backend);
  await release(backend, held);
  await turn;
  await backend.close();
  await expect(backend.acquire(again(pending, { wait: "hand-off" }))).rejects.toMatchObject({
    code: "CLOSED",
  });
});

test("a message that comes after the lease is over grants nothing", async () => {
  const namespace = "too late";
  const other = open({ url: server().url, namespace });
  const proxy = closing(await startProxy(server().port));
  const backend = open({ url: proxy.url, namespace });
  const held = await hold(other, "r");
  const { lease: pending, turn } = await waiter(backend, { ttlMs: 3_000, waitTtlMs: 4_500 });
  proxy.holdAnswers();
  await release(other, held);
  await expect.poll(async () => (await other.list({})).leases).toEqual([]);
  const next = await hold(other, "r");
  proxy.passAnswers();
  await turn;
  const answer = await backend.acquire(again(pending, { wait: "hand-off" }));
  expect(answer).toMatchObject({ status: "ended", end: "expired" });
  expect((await other.list({})).leases).toMatchObject([{ id: next.id }]);
});

test("other claims or another agent are refused by the server, also for what was handed over", async () => {
  const backend = open({ url: server().url });
  for (const [over, code] of [
    [{ agentId: "mallory" }, "LEASE_NOT_OWNER"],
    [{ claims: [{ resource: "r", mode: "shared" }] }, "INVALID_ARGUMENT"],
  ] as const) {
    const held = await hold(backend, "r");
    const lease = await queue(backend, "r", { agentId: "bob", wait: "hand-off" });
    const turn = backend.turn({ id: lease.id, timeoutMs: LONG_MS });
    await subscribed(server(), 1);
    await release(backend, held);
    await turn;
    await expect(backend.acquire(again(lease, { wait: "hand-off", ...over }))).rejects.toMatchObject({
      code,
    });
    const granted = await backend.acquire(again(lease, { wait: "hand-off" }));
    expect(granted).toMatchObject({ status: "granted", lease: { id: lease.id } });
    expect(await release(backend, lease)).toBe("released");
  }
});

test("a waiter that gives up in the moment of the hand-off gives the lease back", async () => {
  const namespace = "gives up";
  const other = open({ url: server().url, namespace });
  const backend = open({ url: server().url, namespace });
  const leases = closing(createLeaseManager({ backend, agentId: "bob" }));
  for (let round = 0; round < 30; round += 1) {
    const held = await hold(other, "r");
    const abort = new AbortController();
    const acquiring = leases.acquire("r", { waitMs: LONG_MS, signal: abort.signal });
    await expect.poll(async () => (await other.list({ state: "pending" })).leases.length).toBe(1);
    const released = release(other, held);
    if (round % 2 === 0) await released;
    abort.abort();
    const lease = await acquiring.catch(() => undefined);
    await released;
    await lease?.release();
    await expect.poll(async () => (await other.list({})).leases).toEqual([]);
  }
});

test("a waiter that hangs up around its hand-off and comes back with the same id never holds beside another", async () => {
  const namespace = "comes back";
  const other = open({ url: server().url, namespace });
  const backend = open({ url: server().url, namespace });
  const cleanups: Promise<void>[] = [];
  const context = {
    backend,
    clock: systemClock,
    createId: null,
    random: Math.random,
    onCleanup: (cleanup: Promise<void>) => cleanups.push(cleanup),
  };
  for (let round = 0; round < 40; round += 1) {
    const held = await hold(other, "r");
    const abort = new AbortController();
    const asking = request("r", { agentId: "bob" });
    const waiting = waitForLease(context, asking, { waitMs: LONG_MS, signal: abort.signal });
    const hungUp = waiting.then(
      () => false,
      () => true,
    );
    await expect.poll(async () => (await other.list({ state: "pending" })).leases.length).toBe(1);
    const released = release(other, held);
    for (let turn = 0; turn < round; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    await released;
    if (await hungUp) {
      await Promise.all(cleanups.splice(0));
      await hold(other, "r", { agentId: "carol" });
      const back = await waitForLease(context, asking, { waitMs: 20 });
      expect(back.status).toBe("refused");
    }
    for (const lease of (await other.list({})).leases) await release(other, lease);
  }
});

test("a user that may not ask who listens hands nothing over, and releases all the same", async () => {
  const { port } = server();
  await server().command("ACL", "SETUSER", "shy", "on", ">pw", "~*", "&*", "+@all", "-pubsub");
  const backend = open({ url: `redis://shy:pw@127.0.0.1:${port}` });
  const held = await hold(backend, "r");
  const { lease: pending, turn } = await waiter(backend);
  expect(await release(backend, held)).toBe("released");
  await turn;
  expect(await backend.acquire(again(pending, { wait: "hand-off" }))).toMatchObject({ status: "granted" });
});
