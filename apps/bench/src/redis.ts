/**
 * What a lease costs on Redis, beside the least that a lock over plain ioredis can do on the same server: `SET NX PX` to
 * take it and a compare-and-delete script to give it back. Rounds alternate, so that a machine that slows down slows
 * both; every ratio is that of one round.
 *
 * `npm run bench -- redis [rounds]`; a private server is started for it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createLeaseId, createLeaseManager, type LeaseBackend } from "@lease/core";
import { redisBackend } from "@lease/redis";
import { type RedisServer, startRedis } from "@lease/test-servers";
import { Redis } from "ioredis";
import { request } from "./request.js";
import { median, quantile, spread } from "./stats.js";

/** Enough for about half a second each. */
const PAIRS_A_ROUND = 8000;
const HANDOFFS_A_ROUND = 150;
/** A process that takes its turns has usually run for a while. */
const WARM_UP_PAIRS = 2000;
/** Longer than either needs, so that every hand-off begins from rest, as most do. */
const HOLD_MS = 10;

export async function redis(args: readonly string[]): Promise<void> {
  if (args[0] === "peer") return await peer(args.slice(1) as [string, Contender]);
  const rounds = Number(args[0] ?? 9);
  const server = await startRedis();
  try {
    const version = /redis_version:(\S+)/.exec(String(await server.command("INFO", "server")))?.[1];
    console.log(`Redis ${version}, ioredis, Node ${process.version}, ${rounds} alternating rounds\n`);
    await pairs(server, rounds);
    await handoffs(server, Math.ceil(rounds / 2));
    await line(server, rounds);
  } finally {
    await server.stop();
  }
}

type Contender = "lease" | "bare";

async function pairs(server: RedisServer, rounds: number): Promise<void> {
  console.log("acquire + release against SET NX PX + compare-and-delete");
  console.log("concurrent  pairs/s  bare pairs/s  ratio (lowest–highest round)  commands a pair");
  for (const concurrent of [1, 16, 128]) {
    const backend = redisBackend({ url: server.url, namespace: randomUUID(), recordRenewals: true });
    const bare = new BareLock(server.url);
    const [ours, theirs]: [number[], number[]] = [[], []];
    const count = concurrent === 1 ? PAIRS_A_ROUND / 4 : PAIRS_A_ROUND;
    await leasePairs(backend, count / 4, concurrent);
    await bare.pairs(count / 4, concurrent);
    let commands = 0;
    for (let round = 0; round < rounds; round += 1) {
      await server.command("CONFIG", "RESETSTAT");
      ours.push(await rate(count, () => leasePairs(backend, count, concurrent)));
      commands += await scriptCalls(server);
      theirs.push(await rate(count, () => bare.pairs(count, concurrent)));
      await backend.sweep({ historyRetentionMs: 0 });
    }
    await backend.close();
    bare.close();
    console.log(
      String(concurrent).padEnd(12) +
        median(ours).toFixed(0).padEnd(9) +
        median(theirs).toFixed(0).padEnd(14) +
        spread(ours.map((each, round) => each / (theirs[round] as number))).padEnd(31) +
        (commands / (rounds * count)).toFixed(2),
    );
  }
}

async function rate(count: number, run: () => Promise<void>): Promise<number> {
  const begun = performance.now();
  await run();
  return count / ((performance.now() - begun) / 1000);
}

/** So many clients, each of which acquires and releases a resource of its own, again and again. */
async function leasePairs(
  backend: LeaseBackend,
  count: number,
  concurrent: number,
  name = "src/file",
): Promise<void> {
  let left = count;
  await together(concurrent, async (number) => {
    while (left > 0) {
      left -= 1;
      const asked = request(createLeaseId(), `agent-${number}`, `${name}-${number}`);
      const result = await backend.acquire(asked);
      if (result.status !== "granted") throw new Error(`not granted: ${result.status}`);
      await backend.release([
        { kind: "release", id: asked.id, agentId: asked.agentId, token: result.lease.token },
      ]);
    }
  });
}

const DELETE_MINE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;
/** The same, and the next one hears of it. */
const PASS_ON = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) redis.call('PUBLISH', KEYS[1], '') end return 0`;

interface Scripted extends Redis {
  deleteMine(key: string, token: string): Promise<number>;
  passOn(key: string, token: string): Promise<number>;
}

/** What most libraries do: no owner beyond the token, no line, no fencing, no history. */
class BareLock {
  readonly client: Scripted;

  constructor(url: string) {
    this.client = new Redis(url) as Scripted;
    this.client.defineCommand("deleteMine", { numberOfKeys: 1, lua: DELETE_MINE });
    this.client.defineCommand("passOn", { numberOfKeys: 1, lua: PASS_ON });
  }

  async pairs(count: number, concurrent: number, name = "src/file"): Promise<void> {
    let left = count;
    await together(concurrent, async (number) => {
      while (left > 0) {
        left -= 1;
        const token = randomUUID();
        await this.client.set(`lock:${name}-${number}`, token, "PX", 30_000, "NX");
        await this.client.deleteMine(`lock:${name}-${number}`, token);
      }
    });
  }

  close(): void {
    this.client.disconnect();
  }
}

/** Two processes that give one resource to each other, again and again. */
async function handoffs(server: RedisServer, rounds: number): Promise<void> {
  console.log(
    "\nrelease until the next waiter, in another process, has it; against a bare baton (delete + publish, SET NX)",
  );
  const p50: Record<Contender, number[]> = { lease: [], bare: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of ["lease", "bare"] as const) {
      p50[contender].push(quantile(await handoffRound(server, contender), 0.5));
    }
  }
  const ratios = p50.lease.map((ms, round) => ms / (p50.bare[round] as number));
  console.log(
    `p50 ${median(p50.lease).toFixed(2)} ms, bare ${median(p50.bare).toFixed(2)} ms, ratio ${spread(ratios)}`,
  );
}

async function handoffRound(server: RedisServer, contender: Contender): Promise<number[]> {
  await server.command("FLUSHALL");
  const peers = await Promise.all([0, 1].map(() => startPeer(server.url, contender)));
  for (const each of peers) each.child.stdin?.write("go\n");
  const marks = (await Promise.all(peers.map(({ told }) => told))).flat();
  marks.sort((a, b) => a.at - b.at);
  const samples: number[] = [];
  for (const [index, mark] of marks.entries()) {
    const next = marks[index + 1];
    const another = next !== undefined && next.process !== mark.process;
    if (mark.what === "release" && another && next.what === "grant") samples.push(next.at - mark.at);
  }
  // The first ones connect and load scripts.
  return samples.slice(20);
}

interface Mark {
  readonly what: "grant" | "release";
  readonly process: number;
  /** Ms on the clock that all processes of the machine share. */
  readonly at: number;
}

async function startPeer(
  url: string,
  contender: Contender,
): Promise<{ child: ChildProcess; told: Promise<Mark[]> }> {
  const child = spawn(process.execPath, [process.argv[1] as string, "redis", "peer", url, contender], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let output = "";
  child.stdout?.on("data", (chunk) => {
    output += chunk;
  });
  const told = once(child, "exit").then(() => JSON.parse(output.slice(output.indexOf("["))) as Mark[]);
  while (!output.includes("ready")) await once(child.stdout as NonNullable<typeof child.stdout>, "data");
  return { child, told };
}

/** The child: takes its turns, and tells when it was granted and when it let go. */
async function peer([url, contender]: [string, Contender]): Promise<void> {
  const marks: Mark[] = [];
  const mark = (what: Mark["what"]) => {
    marks.push({ what, process: process.pid, at: Number(process.hrtime.bigint()) / 1e6 });
  };
  const go = once(process.stdin, "data");
  const run = contender === "lease" ? await leasePeer(url, go, mark) : await barePeer(url, go, mark);
  process.stdin.destroy();
  await run();
  console.log(JSON.stringify(marks));
}

type Marker = (what: Mark["what"]) => void;

async function leasePeer(url: string, go: Promise<unknown>, mark: Marker): Promise<() => Promise<void>> {
  const backend = redisBackend({ url, namespace: "handoff" });
  await leasePairs(backend, WARM_UP_PAIRS, 1, `own-${process.pid}`);
  console.log("ready");
  await go;
  for (let count = 0; count < HANDOFFS_A_ROUND; count += 1) {
    const asked = request(createLeaseId(), `agent-${process.pid}`, "baton", { wait: true });
    let result = await backend.acquire(asked);
    while (result.status === "refused") {
      await backend.turn({ id: asked.id, timeoutMs: 5_000 });
      result = await backend.acquire(asked);
    }
    mark("grant");
    if (result.status !== "granted") throw new Error(result.status);
    const { id, agentId, token } = result.lease;
    await pause(HOLD_MS);
    mark("release");
    await backend.release([{ kind: "release", id, agentId, token }]);
    // Asking again at once would get in the way of what is measured.
    await pause(HOLD_MS / 2);
  }
  return () => backend.close();
}

async function barePeer(url: string, go: Promise<unknown>, mark: Marker): Promise<() => Promise<void>> {
  const lock = new BareLock(url);
  const { client } = lock;
  await lock.pairs(WARM_UP_PAIRS, 1, `own-${process.pid}`);
  const subscriber = new Redis(url);
  let passed: () => void = () => {};
  await subscriber.subscribe("baton");
  subscriber.on("message", () => passed());
  console.log("ready");
  await go;
  for (let count = 0; count < HANDOFFS_A_ROUND; count += 1) {
    const token = randomUUID();
    for (;;) {
      const next = new Promise<void>((resolve) => {
        passed = resolve;
      });
      if ((await client.set("baton", token, "PX", 30_000, "NX")) === "OK") break;
      await Promise.race([next, pause(1_000)]);
    }
    mark("grant");
    await pause(HOLD_MS);
    mark("release");
    await client.passOn("baton", token);
    // Also lets the other one have it: nothing here says whose turn it is.
    await pause(HOLD_MS / 2);
  }
  return async () => {
    client.disconnect();
    subscriber.disconnect();
  };
}

/** Sixteen clients, each with a connection of its own, in line for one resource. */
async function line(server: RedisServer, rounds: number): Promise<void> {
  const WAITERS = 16;
  const TURNS = 20;
  const namespace = randomUUID();
  const backends = Array.from({ length: WAITERS }, () => redisBackend({ url: server.url, namespace }));
  const managers = backends.map((backend, index) =>
    createLeaseManager({ backend, agentId: `agent-${index}` }),
  );
  const order: number[] = [];
  const everybody = async (turns: number) => {
    await Promise.all(
      managers.map(async (leases, index) => {
        for (let turn = 0; turn < turns; turn += 1) {
          const lease = await leases.acquire("r", { waitMs: 60_000, autoRenew: false });
          order.push(index);
          await lease.release();
        }
      }),
    );
  };
  await everybody(2);
  const commands: number[] = [];
  const rates: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await server.command("CONFIG", "RESETSTAT");
    rates.push(await rate(WAITERS * TURNS, () => everybody(TURNS)));
    commands.push((await scriptCalls(server)) / (WAITERS * TURNS));
  }
  console.log(
    `\n${WAITERS} waiters in line, each with a connection of its own: ${spread(commands)} commands a grant (enter, ask, release), ${median(rates).toFixed(0)} grants/s`,
  );
  for (const leases of managers) await leases.close();
  for (const backend of backends) await backend.close();
}

/** How often a client called a script, also when it had to send its text. */
async function scriptCalls(server: RedisServer): Promise<number> {
  const stats = String(await server.command("INFO", "commandstats"));
  const calls = [...stats.matchAll(/^cmdstat_(?:evalsha|eval):calls=(\d+)/gm)];
  return calls.reduce((sum, [, count]) => sum + Number(count), 0);
}

async function together(count: number, run: (number: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, number) => run(number)));
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
