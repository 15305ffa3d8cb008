/** Waiting when connections break: no turn is lost, and no waiter asks more often than needed. */
import { createLeaseManager, type LeaseBackend } from "@lease/core";
import { expect, test } from "vitest";
import {
  again,
  closing,
  commandsOf,
  hold,
  info,
  NEVER_MS,
  open,
  queue,
  release,
  request,
  subscribed,
  useServer,
} from "./helpers.js";
import { startProxy } from "./proxy.js";

const server = useServer();
/** Whatever time alone would bring comes too late: who is not called fails the test. */
const PATIENT = { ttlMs: NEVER_MS, waitTtlMs: NEVER_MS };

test("the connection is reset in the middle of waiting: the waiter still gets its turn", async () => {
  const proxy = closing(await startProxy(server().port));
  const waiting = open({ url: proxy.url, namespace: "reset" });
  const other = open({ url: server().url, namespace: "reset" });
  const held = await hold(other, "r", PATIENT);
  const leases = closing(createLeaseManager({ backend: waiting, agentId: "agent-1" }));
  const acquiring = leases.acquire("r", { ...PATIENT, waitMs: NEVER_MS });
  await expect.poll(async () => (await other.list({ state: "pending" })).leases.length).toBe(1);
  proxy.reset();
  await release(other, held);
  expect((await acquiring).isHeld()).toBe(true);
});

test("the subscriber's connection is killed: waiting goes on, by looking and then by a new subscription", async () => {
  const backend = open({ url: server().url });
  const held = await hold(backend, "r", PATIENT);
  const pending = await queue(backend, "r", { ...PATIENT, agentId: "bob" });
  const turn = backend.turn({ id: pending.id, timeoutMs: NEVER_MS });
  await subscribed(server(), 1);
  await server().command("CLIENT", "KILL", "TYPE", "pubsub");
  await release(backend, held);
  await turn;
  expect(await backend.acquire(again(pending, PATIENT))).toMatchObject({ status: "granted" });

  // The next wait is woken by a message again.
  await subscribed(server(), 1);
  const [holder] = (await backend.list({})).leases;
  const next = await queue(backend, "r", { ...PATIENT, agentId: "carol" });
  const woken = backend.turn({ id: next.id, timeoutMs: NEVER_MS });
  await server().command("CONFIG", "RESETSTAT");
  await release(backend, holder as never);
  await woken;
  expect((await commandsOf(server())).get("evalsha")).toBe(1);
});

test("while nobody can subscribe, waiters look for themselves", async () => {
  const { port } = server();
  await server().command("ACL", "SETUSER", "mute", "on", ">pw", "~*", "&*", "+@all", "-subscribe");
  const backend = open({ url: `redis://mute:pw@127.0.0.1:${port}` });
  const held = await hold(backend, "r", PATIENT);
  const pending = await queue(backend, "r", { ...PATIENT, agentId: "bob" });
  const turn = backend.turn({ id: pending.id, timeoutMs: NEVER_MS });
  await new Promise((resolve) => setTimeout(resolve, 300));
  await release(backend, held);
  await turn;
});

test.each([
  { how: "", alongside: false },
  // Whatever else the script call reads of the place, it calls all.
  { how: ", also when the release shares its call with a question about the place", alongside: true },
])("a place that several clients ask for is called at all of them$how", async ({ alongside }) => {
  const namespace = `shared place ${alongside}`;
  const clients = Array.from({ length: 3 }, () => open({ url: server().url, namespace }));
  const [first, second, third] = clients as [LeaseBackend, LeaseBackend, LeaseBackend];
  const held = await hold(first, "r", PATIENT);
  const pending = await queue(first, "r", { ...PATIENT, agentId: "bob" });
  // Each has subscribed and asked before the next one does.
  for (const client of clients) {
    await client.acquire(again(pending, PATIENT));
    await client.turn({ id: pending.id, timeoutMs: 100 });
  }
  await subscribed(server(), 3);
  for (const client of clients) await client.acquire(again(pending, PATIENT));
  const turns = [first, second, third].map((client) => client.turn({ id: pending.id, timeoutMs: NEVER_MS }));
  const asked = alongside ? first.renew([pending]) : undefined;
  await Promise.all([release(first, held), asked]);
  await Promise.all(turns);
  expect(await second.acquire(again(pending))).toMatchObject({ status: "granted" });
  const fields = (await server().command("HKEYS", `lease:{shared%20place%20${alongside}}`)) as string[];
  expect(fields.filter((field) => field.startsWith("w"))).toEqual([]);
});

test("a place that runs out while its client is subscribed ends the wait", async () => {
  const backend = open({ url: server().url });
  const held = await hold(backend, "r", PATIENT);
  const first = await queue(backend, "r", { ...PATIENT, agentId: "bob" });
  const warm = backend.turn({ id: first.id, timeoutMs: NEVER_MS });
  await subscribed(server(), 1);
  await release(backend, held);
  await warm;
  // What was asked for in vain does not count as queued.
  const stolen = { id: first.id, agentId: "mallory", wait: "queue" as const };
  await expect(backend.acquire(request("r", stolen))).rejects.toMatchObject({ code: "LEASE_NOT_OWNER" });
  await backend.turn({ id: first.id, timeoutMs: NEVER_MS });

  const short = await queue(backend, "r", { agentId: "carol", waitTtlMs: 50 });
  await backend.turn({ id: short.id, timeoutMs: NEVER_MS });
});

test("a wake that comes before the answer 'queued' is not lost", async () => {
  const backend = open({ url: server().url });
  // Subscribed from here on.
  const first = await hold(backend, "warm");
  const waiter = await queue(backend, "warm", { agentId: "bob" });
  const warm = backend.turn({ id: waiter.id, timeoutMs: NEVER_MS });
  await subscribed(server(), 1);
  await release(backend, first);
  await warm;

  // Both in one script call: the wake is published before the answer of the acquire is sent.
  for (let round = 0; round < 50; round += 1) {
    const held = await hold(backend, "r", PATIENT);
    const asking = queue(backend, "r", { ...PATIENT, agentId: "bob" });
    const [pending] = await Promise.all([asking, release(backend, held)]);
    await backend.turn({ id: pending.id, timeoutMs: NEVER_MS });
    const granted = await backend.acquire(again(pending, PATIENT));
    expect(granted.status).toBe("granted");
    if (granted.status === "granted") await release(backend, granted.lease);
  }
});

test("a queue of 16 costs at most 3.2 commands a grant, and is served in order", async () => {
  const waiters = 16;
  const rounds = 5;
  const holders = open({ url: server().url, namespace: "queue" });
  const backend = open({ url: server().url, namespace: "queue" });
  const leases = closing(createLeaseManager({ backend, agentId: "agent-1" }));
  const served: number[] = [];
  const serve = async () => {
    const held = await hold(holders, "r", PATIENT);
    const asked: number[] = [];
    const all = Array.from({ length: waiters }, async (_, index) => {
      const lease = await leases.acquire("r", { ...PATIENT, waitMs: NEVER_MS, autoRenew: false });
      served.push(index);
      await lease.release();
    });
    await expect
      .poll(async () => (await holders.list({ state: "pending" })).leases.length, { interval: 5 })
      .toBe(waiters);
    await server().command("CONFIG", "RESETSTAT");
    await release(holders, held);
    await Promise.all(all);
    const calls = await commandsOf(server());
    // Without the commands that scripts run, which are counted too.
    asked.push(calls.get("evalsha") ?? 0);
    return asked[0] as number;
  };
  await serve();
  served.length = 0;
  let commands = 0;
  for (let round = 0; round < rounds; round += 1) commands += await serve();
  expect(served).toEqual(Array.from({ length: waiters * rounds }, (_, index) => index % waiters));
  // After the entry, which is joined for all, a grant is one question and one release.
  expect(commands / (waiters * rounds)).toBeLessThanOrEqual(2.2);
});

test("the first wait opens one connection more, and all waits share it", async () => {
  const before = Number(await info(server(), "connected_clients"));
  const backend = open({ url: server().url });
  await hold(backend, "r");
  expect(Number(await info(server(), "connected_clients"))).toBe(before + 1);
  const turns = await Promise.all(
    Array.from({ length: 5 }, (_, index) => queue(backend, "r", { agentId: `agent-${index}` })),
  );
  const abort = new AbortController();
  const waits = turns.map(({ id }) => backend.turn({ id, timeoutMs: NEVER_MS, signal: abort.signal }));
  await subscribed(server(), 1);
  expect(Number(await info(server(), "connected_clients"))).toBe(before + 2);
  abort.abort();
  await Promise.all(waits);
});
