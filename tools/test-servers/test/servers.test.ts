import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  startEtcd,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
  startRedisWithClock,
  startRedisWithTls,
} from "../src/index.ts";

describe("Redis", () => {
  test("starts, pauses, comes back empty after a kill, and is gone after stop", async () => {
    const redis = await startRedis();
    await redis.command("SET", "k", "v");
    expect(await redis.command("GET", "k")).toBe("v");

    redis.pause();
    expect(await answersWithin(redis.port, 200)).toBe(false);
    redis.resume();
    expect(await redis.command("GET", "k")).toBe("v");

    await redis.restart();
    expect(await redis.command("GET", "k")).toBe(null);
    await redis.stop();
    await expect(redis.command("PING")).rejects.toThrow();
  });

  test("with an append-only file, what was written survives a kill", async () => {
    const redis = await startRedis({ appendOnly: true });
    await redis.command("SET", "k", "v");
    await redis.kill();
    await redis.restart();
    expect(await redis.command("GET", "k")).toBe("v");
    await redis.stop();
  });

  test("three masters make one cluster that covers every slot", async () => {
    const cluster = await startRedisCluster();
    const [first] = cluster.nodes;
    expect(await first?.command("CLUSTER", "INFO")).toContain("cluster_slots_ok:16384");
    await cluster.stop();
  });

  test("three masters may have a replica each", async () => {
    const cluster = await startRedisCluster({ withReplicas: true });
    for (const [index, replica] of cluster.replicas.entries()) {
      const role = (await replica.command("ROLE")) as unknown[];
      expect(role.slice(0, 4)).toEqual(["slave", "127.0.0.1", cluster.nodes[index]?.port, "connected"]);
    }
    expect(cluster.replicas).toHaveLength(3);
    await cluster.stop();
  });

  test("under Sentinel, a master that is killed is followed by its replica, with its data", async () => {
    const sentinel = await startRedisSentinel();
    const [master, replica] = sentinel.servers;
    expect(await sentinel.master()).toBe(master);
    await master.command("SET", "k", "v");
    await expect.poll(() => replica.command("GET", "k")).toBe("v");
    await master.kill();
    await expect.poll(() => sentinel.master().catch(() => null)).toBe(replica);
    await expect.poll(async () => (await replica.command("ROLE")) as unknown[]).toContain("master");
    expect(await replica.command("GET", "k")).toBe("v");
    await sentinel.stop();
  });

  test("with TLS it answers who trusts its certificate", async () => {
    const redis = await startRedisWithTls();
    const { hostname, port } = new URL(redis.tlsUrl);
    const socket = connectTls({ host: hostname, port: Number(port), ca: redis.certificate });
    socket.write("PING\r\n");
    expect(String((await once(socket, "data"))[0])).toBe("+PONG\r\n");
    socket.destroy();
    await redis.stop();
  });

  test.runIf(process.platform === "linux")("its wall clock can be set", async () => {
    const redis = await startRedisWithClock();
    const differsBy = async () => {
      const [seconds] = (await redis.command("TIME")) as [string];
      return Math.round(Number(seconds) - Date.now() / 1000);
    };
    for (const offset of [0, 3600, -3600, 9e9]) {
      await redis.setClock(offset * 1000);
      expect(Math.abs((await differsBy()) - offset)).toBeLessThanOrEqual(1);
    }
    await redis.stop();
  });

  test("a server ends with the process that started it, also when that is killed", async () => {
    const script = `
      const { startRedis } = await import(${JSON.stringify(fileURLToPath(new URL("../src/index.ts", import.meta.url)))});
      const redis = await startRedis();
      console.log(JSON.stringify([redis.pid, await redis.command("CONFIG", "GET", "dir")]));
      setInterval(() => {}, 1000);
    `;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const [pid, [, folder]] = JSON.parse(String(line)) as [number, [string, string]];
    expect(isAlive(pid)).toBe(true);
    child.kill("SIGKILL");
    await expect.poll(() => isAlive(pid)).toBe(false);
    await expect.poll(() => existsSync(folder)).toBe(false);
  });
});

describe("etcd", () => {
  test("one member starts, and keeps its data over a restart", async () => {
    const etcd = await startEtcd();
    const [member] = etcd.members;
    const key = Buffer.from("k").toString("base64");
    await post(`http://${member?.endpoint}/v3/kv/put`, { key, value: key });
    await member?.restart();
    const found = await post(`http://${member?.endpoint}/v3/kv/range`, { key });
    expect(found).toMatchObject({ count: "1" });
    await etcd.stop();
  });

  test("three members make a cluster", async () => {
    const etcd = await startEtcd({ members: 3 });
    expect(new Set(etcd.endpoints).size).toBe(3);
    const { members } = await post(`http://${etcd.endpoints[0]}/v3/cluster/member/list`, {});
    expect(members).toHaveLength(3);
    await etcd.stop();
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Whether a Redis answers a PING in time. */
function answersWithin(port: number, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    const settle = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.on("data", () => settle(true));
    setTimeout(() => settle(false), ms);
  });
}

async function post(url: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
  return (await response.json()) as Record<string, unknown>;
}
