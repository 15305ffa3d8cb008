/** A private Redis under Sentinel: a master, a replica, and three sentinels that make the replica the master. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findRedis } from "./binaries.ts";
import { HOST, isProcess, type RedisServer, serverOf, startRedisOn } from "./redis.ts";
import type { Reply } from "./resp.ts";
import { ServerProcess, withFreePorts } from "./server-process.ts";

export interface RedisSentinel {
  /** What the sentinels call the master. */
  readonly name: string;
  /** The master and its replica, as they are at the start. */
  readonly servers: readonly [RedisServer, RedisServer];
  readonly sentinels: readonly RedisServer[];
  /** Who is the master, for all sentinels that run. */
  master(): Promise<RedisServer>;
  stop(): Promise<void>;
}

const NAME = "main";
const SENTINELS = 3;
const READY_WITHIN_MS = 50_000;

/** Starts them and waits until all sentinels know all of them. */
export async function startRedisSentinel(): Promise<RedisSentinel> {
  const started: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    await Promise.all(started.splice(0).map((each) => each.stop()));
  };
  const keep = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const server = await starting;
    started.push(server);
    return server;
  };
  try {
    const master = await keep(startServer());
    const replica = await keep(startServer());
    // Not as an argument: it would be the replica again at a restart, whatever the sentinels have decided since.
    await replica.command("REPLICAOF", HOST, master.port);
    const sentinels: RedisServer[] = [];
    for (let index = 0; index < SENTINELS; index += 1) sentinels.push(await keep(startSentinel(master.port)));
    const servers = [master, replica] as const;
    for (const sentinel of sentinels) await until(() => knowsAll(sentinel));
    return { name: NAME, servers, sentinels, master: () => masterOf(sentinels, servers), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function startServer(): Promise<RedisServer> {
  return withFreePorts(1, (port) => startRedisOn(port, { args: ["--repl-diskless-sync-delay", "0"] }));
}

async function startSentinel(masterPort: number): Promise<RedisServer> {
  const binary = await findRedis();
  return withFreePorts(1, async (port) => {
    const process = await ServerProcess.start({
      binary,
      // It writes into its configuration what it learns.
      prepare: (folder) =>
        writeFile(
          join(folder, "sentinel.conf"),
          [
            ...[`port ${port}`, `bind ${HOST}`, `dir ${folder}`],
            `sentinel monitor ${NAME} ${HOST} ${masterPort} ${Math.floor(SENTINELS / 2) + 1}`,
            `sentinel down-after-milliseconds ${NAME} 600`,
            // Three that vote for themselves at once try again after twice this.
            `sentinel failover-timeout ${NAME} 1000`,
            "",
          ].join("\n"),
        ),
      args: () => ["sentinel.conf", "--sentinel"],
      isReady: (pid) => isProcess(port, pid),
    });
    const sentinel = serverOf(process, port);
    // By default they tell each other of themselves every two seconds, and look at replicas every ten.
    await sentinel.command(
      "SENTINEL",
      "DEBUG",
      "PUBLISH-PERIOD",
      200,
      "INFO-PERIOD",
      300,
      "PING-PERIOD",
      150,
    );
    return sentinel;
  });
}

async function knowsAll(sentinel: RedisServer): Promise<boolean> {
  const state = await fieldsOf(sentinel, "MASTER");
  return (
    state.get("flags") === "master" &&
    state.get("num-slaves") === "1" &&
    state.get("num-other-sentinels") === String(SENTINELS - 1) &&
    !String(await sentinel.command("SENTINEL", "REPLICAS", NAME)).includes("disconnected")
  );
}

async function fieldsOf(sentinel: RedisServer, question: string): Promise<Map<string, string>> {
  const flat = (await sentinel.command("SENTINEL", question, NAME)) as Reply[];
  const fields = new Map<string, string>();
  for (let index = 0; index < flat.length; index += 2)
    fields.set(String(flat[index]), String(flat[index + 1]));
  return fields;
}

async function masterOf(
  sentinels: readonly RedisServer[],
  servers: readonly RedisServer[],
): Promise<RedisServer> {
  const ports = new Set<number>();
  for (const sentinel of sentinels) {
    const address = (await sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)) as string[];
    ports.add(Number(address[1]));
  }
  const master = servers.find(({ port }) => ports.size === 1 && ports.has(port));
  if (master === undefined) throw new Error("The sentinels do not agree at present on who is the master.");
  return master;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + READY_WITHIN_MS;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error("The sentinels do not get to know all servers.");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
