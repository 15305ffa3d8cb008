/** Private Redis servers: one alone, or a cluster of three masters. */
import { findRedis } from "./binaries.ts";
import { type Reply, redisCommand } from "./resp.ts";
import { ServerProcess, withFreePorts } from "./server-process.ts";

export interface RedisOptions {
  /** Further arguments, e.g. `["--maxmemory", "4mb"]`. */
  readonly args?: readonly string[];
  /** Keep an append-only file that is synced on every write. By default nothing survives the process. */
  readonly appendOnly?: boolean;
}

export interface RedisServer {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** Runs one command over a connection of its own. */
  command(...args: (string | number)[]): Promise<Reply>;
  /** SIGSTOP: it keeps its connections and answers nothing. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Kills it if it runs, and starts it on the same port with what its append-only file has, if it keeps one. */
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

export interface RedisCluster {
  /** Three masters that share the 16,384 slots. */
  readonly nodes: readonly RedisServer[];
  stop(): Promise<void>;
}

const HOST = "127.0.0.1";

/** Starts a Redis server of our own. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  return withFreePorts(1, (port) => startOn(port as number, options));
}

/** Starts three masters and makes them one cluster. */
export async function startRedisCluster(options: RedisOptions = {}): Promise<RedisCluster> {
  const nodes = await Promise.all(Array.from({ length: 3 }, () => startClusterNode(options)));
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    await joinNodes(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  return { nodes: nodes.map(({ server }) => server), stop };
}

interface ClusterNode {
  readonly server: RedisServer;
  readonly busPort: number;
  stop(): Promise<void>;
}

async function startClusterNode(options: RedisOptions): Promise<ClusterNode> {
  return withFreePorts(2, async (port, busPort) => {
    const cluster = [
      ...["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"],
      ...["--cluster-node-timeout", "5000", "--cluster-port", String(busPort)],
    ];
    const args = [...cluster, ...(options.args ?? [])];
    const server = await startOn(port as number, { ...options, args });
    return { server, busPort: busPort as number, stop: () => server.stop() };
  });
}

async function joinNodes(nodes: readonly ClusterNode[]): Promise<void> {
  const SLOTS = 16_384;
  const [first] = nodes as readonly [ClusterNode];
  for (const [index, { server, busPort }] of nodes.entries()) {
    const from = Math.floor((SLOTS * index) / nodes.length);
    const to = Math.floor((SLOTS * (index + 1)) / nodes.length) - 1;
    await server.command("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
    await server.command("CLUSTER", "ADDSLOTSRANGE", from, to);
    if (index > 0) await first.server.command("CLUSTER", "MEET", HOST, server.port, busPort);
  }
  const until = performance.now() + 15_000;
  for (const { server } of nodes) {
    while (!(await isComplete(server, nodes.length))) {
      if (performance.now() > until) throw new Error("The three masters do not become one cluster.");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function isComplete(server: RedisServer, nodeCount: number): Promise<boolean> {
  const info = String(await server.command("CLUSTER", "INFO"));
  if (!info.includes("cluster_state:ok") || !info.includes(`cluster_known_nodes:${nodeCount}`)) return false;
  const slots = (await server.command("CLUSTER", "SLOTS")) as Reply[];
  return slots.length === nodeCount;
}

async function startOn(port: number, options: RedisOptions): Promise<RedisServer> {
  const binary = await findRedis();
  const settings = [
    ...["--bind", HOST, "--port", String(port), "--save", "", "--daemonize", "no", "--loglevel", "notice"],
    ...["--appendonly", options.appendOnly ? "yes" : "no", "--appendfsync", "always"],
    ...(options.args ?? []),
  ];
  const process = await ServerProcess.start({
    binary,
    args: (folder) => ["--dir", folder, ...settings],
    isReady: async (pid) => {
      // An error while it loads its data counts as not ready.
      const info = String(await redisCommand(port, ["INFO", "server"]));
      await redisCommand(port, ["EXISTS", "nothing"]).catch((error: Error) => {
        if (!/CLUSTERDOWN|MOVED/.test(error.message)) throw error;
      });
      return new RegExp(`^process_id:${pid}\\r?$`, "m").test(info);
    },
  });
  return {
    url: `redis://${HOST}:${port}`,
    host: HOST,
    port,
    get pid() {
      return process.pid;
    },
    command: (...args) => redisCommand(port, args),
    pause: () => process.pause(),
    resume: () => process.resume(),
    kill: () => process.kill(),
    restart: async () => {
      await process.kill();
      await process.start();
    },
    stop: () => process.stop(),
  };
}
