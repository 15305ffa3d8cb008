/** Processes under `--unhandled-rejections=strict`, through every fault one after the other. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type RedisServer, startRedis, startRedisCluster, startRedisSentinel } from "@lease/test-servers";
import { expect, test } from "vitest";
import type { WorkerOptions } from "./backend.worker.ts";
import { closing, info } from "./helpers.js";

/** Failovers take seconds, and then all has to go on by itself. */
const TIMEOUT_MS = 180_000;
const WORKER = fileURLToPath(new URL("busy.worker.ts", import.meta.url));

test("one server: through all of it no rejection is unhandled, and after close() nothing keeps the process or a connection", {
  timeout: TIMEOUT_MS,
}, async () => {
  const server = await startRedis();
  closing({ close: () => server.stop() });
  await through({ namespace: "busy", url: server.url }, [
    () => server.command("SCRIPT", "FLUSH"),
    () => server.command("CLIENT", "KILL", "TYPE", "pubsub"),
    () => server.command("CLIENT", "KILL", "TYPE", "normal"),
    async () => {
      server.pause();
      await pause(900);
      server.resume();
    },
    () => server.command("FLUSHALL"),
    async () => {
      await server.kill();
      await pause(300);
      await server.restart();
    },
    () => server.command("CONFIG", "SET", "maxmemory", "1"),
    () => server.command("CONFIG", "SET", "maxmemory", "0"),
  ]);
  // Only our own question is left.
  await expect.poll(async () => Number(await info(server, "connected_clients"))).toBe(1);
});

test("under Sentinel: the same through failovers, hung masters and the loss of all sentinels", {
  timeout: TIMEOUT_MS,
}, async () => {
  const redis = await startRedisSentinel();
  closing({ close: () => redis.stop() });
  const { name, servers, sentinels } = redis;
  const [first, second] = servers;
  const failedOverTo = (server: RedisServer) =>
    expect.poll(() => redis.master().catch(() => null)).toBe(server);
  await through({ namespace: "busy", sentinel: { name, ports: sentinels.map(({ port }) => port) } }, [
    async () => {
      first.pause();
      await failedOverTo(second);
      first.resume();
    },
    async () => {
      for (const sentinel of sentinels) sentinel.pause();
      await second.command("CLIENT", "KILL", "TYPE", "normal");
      await second.command("CLIENT", "KILL", "TYPE", "pubsub");
      await pause(500);
      for (const sentinel of sentinels) sentinel.resume();
    },
    async () => {
      for (const sentinel of sentinels) await sentinel.kill();
      await second.kill();
      await pause(500);
      await second.restart();
      for (const sentinel of sentinels) await sentinel.restart();
    },
  ]);
});

test("a cluster: the same through a hung and a killed master", { timeout: TIMEOUT_MS }, async () => {
  const cluster = await startRedisCluster();
  closing({ close: () => cluster.stop() });
  const [first, second, third] = cluster.nodes as [RedisServer, RedisServer, RedisServer];
  await through({ namespace: "busy", cluster: cluster.nodes.map(({ port }) => port) }, [
    ...[first, second, third].map((node) => async () => {
      node.pause();
      await pause(600);
      node.resume();
    }),
    ...[first, second, third].map((node) => async () => {
      await node.kill();
      await pause(200);
      await node.restart();
    }),
  ]);
});

/** Two busy processes, through one fault after the other, and then closed. */
async function through(options: WorkerOptions, faults: readonly (() => Promise<unknown>)[]): Promise<void> {
  const workers = [startWorker(options), startWorker(options)];
  for (const { ready } of workers) await ready;
  for (const fault of faults) {
    await pause(150);
    await fault();
  }
  // All goes on by itself.
  for (const worker of workers) {
    const before = worker.grants();
    await expect.poll(() => worker.grants(), { timeout: TIMEOUT_MS }).toBeGreaterThan(before + 10);
  }
  for (const worker of workers) worker.end();
  for (const worker of workers) {
    await expect.poll(() => worker.last()).toBe("closed");
    expect(await worker.ended).toEqual({ code: 0, errors: "" });
  }
}

function startWorker(options: WorkerOptions) {
  const child = spawn(
    process.execPath,
    ["--unhandled-rejections=strict", "--no-warnings=ExperimentalWarning", WORKER, JSON.stringify(options)],
    { stdio: ["pipe", "pipe", "pipe"] },
  );
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  let last = "";
  let grants = 0;
  const lines = createInterface(child.stdout);
  lines.on("line", (line) => {
    last = line;
    if (/^\d+$/.test(line)) grants = Number(line);
  });
  const exited = once(child, "exit");
  return {
    ready: Promise.race([once(lines, "line"), exited]),
    grants: () => grants,
    end: () => child.stdin.end(),
    last: () => last,
    ended: exited.then(([code]) => ({ code, errors })),
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
