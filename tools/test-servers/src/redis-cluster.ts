/** Private clusters of Redis: masters that share the slots, and if wanted a replica of each. */
import { HOST, type RedisOptions, type RedisServer, startRedisOn } from "./redis.ts";
import type { Reply } from "./resp.ts";
import { withFreePorts } from "./server-process.ts";

export interface RedisClusterOptions extends RedisOptions {
  /** 3 by default. */
  readonly masters?: number;
  /** Whether each master has a replica. By default none has. */
  readonly withReplicas?: boolean;
}

export interface RedisCluster {
  /** The masters, which share the 16,384 slots. */
  readonly nodes: readonly RedisServer[];
  /** One for each master, in the same order, or none. */
  readonly replicas: readonly RedisServer[];
  stop(): Promise<void>;
}

interface Node {
  readonly server: RedisServer;
  readonly busPort: number;
}

const SLOTS = 16_384;
const READY_WITHIN_MS = 50_000;

/** Starts masters and makes them one cluster. */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const masters = options.masters ?? 3;
  const count = options.withReplicas ? masters * 2 : masters;
  const started = await Promise.allSettled(Array.from({ length: count }, () => startNode(options)));
  const nodes = started.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  const stop = async () => {
    await Promise.all(nodes.map(({ server }) => server.stop()));
  };
  try {
    const failed = started.find((start) => start.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    await join(nodes, masters);
  } catch (error) {
    await stop();
    throw error;
  }
  const servers = nodes.map(({ server }) => server);
  return { nodes: servers.slice(0, masters), replicas: servers.slice(masters), stop };
}

async function startNode(options: RedisClusterOptions): Promise<Node> {
  return withFreePorts(2, async (port, busPort) => {
    const cluster = [
      ...["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"],
      ...["--cluster-node-timeout", "5000", "--cluster-port", String(busPort)],
      ...["--repl-diskless-sync-delay", "0"],
    ];
    const server = await startRedisOn(port, { ...options, args: [...cluster, ...(options.args ?? [])] });
    return { server, busPort };
  });
}

async function join(nodes: readonly Node[], masters: number): Promise<void> {
  for (const [index, { server, busPort }] of nodes.entries()) {
    await server.command("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
    if (index < masters) {
      const from = Math.floor((SLOTS * index) / masters);
      const to = Math.floor((SLOTS * (index + 1)) / masters) - 1;
      await server.command("CLUSTER", "ADDSLOTSRANGE", from, to);
    }
    // Each is told of all before it: to wait for their gossip would take seconds.
    for (const earlier of nodes.slice(0, index)) {
      await earlier.server.command("CLUSTER", "MEET", HOST, server.port, busPort);
    }
  }
  await eachUntil(nodes, async ({ server }) => {
    const info = String(await server.command("CLUSTER", "INFO"));
    if (!info.includes("cluster_state:ok") || !info.includes(`cluster_known_nodes:${nodes.length}`))
      return false;
    return ((await server.command("CLUSTER", "SLOTS")) as Reply[]).length === masters;
  });
  const replicas = nodes.slice(masters);
  for (const [index, { server }] of replicas.entries()) {
    await server.command(
      "CLUSTER",
      "REPLICATE",
      String(await nodes[index]?.server.command("CLUSTER", "MYID")),
    );
  }
  await eachUntil(replicas, async ({ server }) =>
    String(await server.command("INFO", "replication")).includes("master_link_status:up"),
  );
}

async function eachUntil(nodes: readonly Node[], isSo: (node: Node) => Promise<boolean>): Promise<void> {
  const until = performance.now() + READY_WITHIN_MS;
  for (const node of nodes) {
    while (!(await isSo(node))) {
      if (performance.now() > until) throw new Error("The nodes do not become one cluster.");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
