/**
 * What a lease costs on etcd, each beside what a caller would write by hand on the same server, in rounds that
 * alternate, so that a machine that slows down slows all of them. Every ratio is that of one round.
 *
 * - acquire + release by 16 callers, against `Lock` of the client library and against a bare transaction and a delete
 *   under one shared etcd lease;
 * - from a release to the next in line, in another client, against a bare watch and one transaction;
 * - consensus writes of each operation, by the server's own raft index.
 *
 * `npm run bench -- etcd [rounds]`
 */
import { type AcquireRequest, createLeaseId, type Lease, type LeaseBackend } from "@lease/core";
import { etcdBackend } from "@lease/etcd";
import { startEtcd } from "@lease/test-servers";
import { noop } from "cockatiel";
import { Etcd3 } from "etcd3";
import { median, spread } from "./stats.js";

const CONCURRENT = 16;
const PAIRS = 1600;
const HAND_OFFS = 150;

export async function etcd(args: readonly string[]): Promise<void> {
  const rounds = Number(args[0] ?? 9);
  const server = await startEtcd();
  try {
    console.log(`etcd on one member, ${rounds} rounds, Node ${process.version}\n`);
    await pairs(server.endpoints, rounds);
    await handOffs(server.endpoints, rounds);
    await consensusWrites(server.endpoints);
  } finally {
    await server.stop();
  }
}

type Pair = (name: string) => Promise<void>;

async function pairs(hosts: readonly string[], rounds: number): Promise<void> {
  const ours = etcdBackend({ hosts, namespace: "pairs" });
  const client = plainClient(hosts);
  const sharedLease = client.lease(60);
  const on = await sharedLease.grant();
  const contenders: Record<string, Pair> = {
    "@lease/etcd": async (name) => {
      await release(ours, await hold(ours, name));
    },
    "etcd3 Lock": async (name) => {
      const lock = client.lock(`lock/${name}`).ttl(30);
      await lock.acquire();
      await lock.release();
    },
    "bare transaction": async (name) => {
      const key = Buffer.from(`bare/${name}`);
      const { header } = await client.kv.txn(
        {
          compare: [{ key, target: "Create", result: "Equal", create_revision: 0 }],
          success: [{ request_put: { key, value: Buffer.from(name), lease: on } }],
        },
        { deadline: Date.now() + 5000 },
      );
      await client.kv.txn(
        {
          compare: [{ key, target: "Create", result: "Equal", create_revision: header.revision }],
          success: [{ request_delete_range: { key } }],
        },
        { deadline: Date.now() + 5000 },
      );
    },
  };
  const rates = new Map(Object.keys(contenders).map((name) => [name, [] as number[]]));
  for (const run of Object.values(contenders)) await rateOf(run, PAIRS / 4);
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, run] of Object.entries(contenders)) rates.get(name)?.push(await rateOf(run, PAIRS));
  }
  console.log(
    `acquire + release, ${CONCURRENT} at a time      pairs/s   @lease/etcd : it (lowest–highest round)`,
  );
  const own = rates.get("@lease/etcd") as number[];
  for (const [name, values] of rates) {
    const ratios = own.map((rate, round) => rate / (values[round] as number));
    console.log(`  ${name.padEnd(35)}${median(values).toFixed(0).padStart(6)}   ${spread(ratios)}`);
  }
  await ours.close();
  await sharedLease.revoke();
  client.close();
}

/** Pairs a second. */
async function rateOf(run: Pair, count: number): Promise<number> {
  let left = count;
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: CONCURRENT }, async (_, caller) => {
      while (left > 0) {
        left -= 1;
        await run(`src/file-${caller}.ts`);
      }
    }),
  );
  return count / ((performance.now() - begun) / 1000);
}

async function handOffs(hosts: readonly string[], rounds: number): Promise<void> {
  const contenders = { "@lease/etcd": ownHandOffs, "bare watch, transaction": bareHandOffs };
  const p50 = new Map(Object.keys(contenders).map((name) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, run] of Object.entries(contenders)) p50.get(name)?.push(median(await run(hosts)));
  }
  console.log("\nrelease → next holder                  p50 ms    it : bare watch, transaction");
  const bare = p50.get("bare watch, transaction") as number[];
  for (const [name, values] of p50) {
    const ratios = values.map((value, round) => value / (bare[round] as number));
    console.log(`  ${name.padEnd(35)}${median(values).toFixed(2).padStart(6)}    ${spread(ratios)}`);
  }
}

/** Two clients pass one resource to and fro; ms from sending the release to having the grant. */
async function ownHandOffs(hosts: readonly string[]): Promise<number[]> {
  const clients = [0, 1].map(() => etcdBackend({ hosts, namespace: "hand-off" }));
  const taken: number[] = [];
  let held = await hold(clients[0] as LeaseBackend, "baton");
  for (let turn = 0; turn < HAND_OFFS; turn += 1) {
    const [from, to] = [clients[turn % 2], clients[(turn + 1) % 2]] as [LeaseBackend, LeaseBackend];
    const request = { ...requestFor("baton"), wait: true };
    await to.acquire(request);
    const next = (async () => {
      await to.turn({ id: request.id, timeoutMs: 10_000 });
      const result = await to.acquire(request);
      if (result.status !== "granted") throw new Error(`it was woken, and then ${result.status}`);
      return result.lease;
    })();
    await settle();
    const begun = performance.now();
    const [lease] = await Promise.all([next, release(from, held)]);
    taken.push(performance.now() - begun);
    held = lease;
  }
  await release(clients[HAND_OFFS % 2] as LeaseBackend, held);
  await Promise.all(clients.map((client) => client.close()));
  return taken;
}

async function bareHandOffs(hosts: readonly string[]): Promise<number[]> {
  const clients = [0, 1].map(() => plainClient(hosts));
  const lease = (clients[0] as Etcd3).lease(60);
  const on = await lease.grant();
  const key = Buffer.from("baton");
  const take = async (client: Etcd3) => {
    const { succeeded } = await client.kv.txn(
      {
        compare: [{ key, target: "Create", result: "Equal", create_revision: 0 }],
        success: [{ request_put: { key, value: Buffer.alloc(0), lease: on } }],
      },
      { deadline: Date.now() + 5000 },
    );
    if (!succeeded) throw new Error("the key is taken");
  };
  const taken: number[] = [];
  await take(clients[0] as Etcd3);
  for (let turn = 0; turn < HAND_OFFS; turn += 1) {
    const [from, to] = [clients[turn % 2], clients[(turn + 1) % 2]] as [Etcd3, Etcd3];
    const watcher = await to.watch().key(key).only("delete").create();
    const next = new Promise<void>((resolve, reject) => {
      watcher.on("delete", () => void take(to).then(resolve, reject));
    });
    await settle();
    const begun = performance.now();
    await Promise.all([next, from.kv.deleteRange({ key }, { deadline: Date.now() + 5000 })]);
    taken.push(performance.now() - begun);
    await watcher.cancel();
  }
  await (clients[0] as Etcd3).kv.deleteRange({ key });
  await lease.revoke();
  for (const client of clients) client.close();
  return taken;
}

/** How much further the raft index is after many of the same. */
async function consensusWrites(hosts: readonly string[]): Promise<void> {
  const COUNT = 20;
  const backend = etcdBackend({ hosts, namespace: "writes" });
  const client = plainClient(hosts);
  const index = async () => Number((await client.maintenance.status()).raftAppliedIndex);
  const count = async (name: string, run: (turn: number) => Promise<unknown>) => {
    const before = await index();
    for (let turn = 0; turn < COUNT; turn += 1) await run(turn);
    const each = ((await index()) - before) / COUNT;
    console.log(`  ${name.padEnd(35)}${each.toFixed(2).padStart(6)}`);
  };
  console.log("\nconsensus writes, etcd leases being there   each");
  // What is granted once and then used again: as many etcd leases as are held and waited for at a time.
  const warm = [];
  for (let turn = 0; turn < COUNT * 2; turn += 1) warm.push(await hold(backend, `warm-${turn}`));
  for (const lease of warm) await release(backend, lease);

  const held: Lease[] = [];
  const waiting: AcquireRequest[] = [];
  const wait = (turn: number) => ({ ...requestFor(`r-${turn}`), wait: true });
  await count("acquire", async (turn) => held.push(await hold(backend, `r-${turn}`)));
  await count("renew", async (turn) => {
    const { id, agentId, token } = held[turn] as Lease;
    await backend.renew([{ id, agentId, token, renewal: 1 }]);
  });
  await count("acquire, refused", (turn) => backend.acquire(requestFor(`r-${turn}`)));
  await count("acquire, put in line", async (turn) => {
    waiting.push(wait(turn));
    await backend.acquire(waiting[turn] as AcquireRequest);
  });
  await count("heartbeat in line", (turn) => backend.acquire(waiting[turn] as AcquireRequest));
  await count("release", (turn) => release(backend, held[turn] as Lease));
  await count("acquire, when its turn has come", async (turn) => {
    const request = waiting[turn] as AcquireRequest;
    await backend.turn({ id: request.id, timeoutMs: 5000 });
    const { status } = await backend.acquire(request);
    if (status !== "granted") throw new Error(`not granted but ${status}`);
  });
  await backend.close();
  client.close();
}

/** The library with its retries off, as we use it ourselves. */
function plainClient(hosts: readonly string[]): Etcd3 {
  return new Etcd3({ hosts: [...hosts], faultHandling: { host: () => noop, global: noop } });
}

function requestFor(resource: string): AcquireRequest {
  return {
    id: createLeaseId(),
    agentId: "bench",
    claims: [{ resource, mode: "exclusive" }],
    ttlMs: 30_000,
    maxRenewals: null,
    wait: false,
    waitTtlMs: 30_000,
    holding: [],
    reason: null,
    metadata: null,
  };
}

async function hold(backend: LeaseBackend, resource: string): Promise<Lease> {
  const result = await backend.acquire(requestFor(resource));
  if (result.status !== "granted") throw new Error(`expected a grant, got ${result.status}`);
  return result.lease;
}

async function release(backend: LeaseBackend, { id, agentId, token }: Lease): Promise<void> {
  const [result] = await backend.release([{ kind: "release", id, agentId, token }]);
  if (result?.status !== "released") throw new Error(`expected a release, got ${result?.status}`);
}

/** Both sides are ready before the clock starts. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}
