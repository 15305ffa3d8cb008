/** Private etcd clusters, of one member or of several. */
import { randomBytes } from "node:crypto";
import { findEtcd } from "./binaries.ts";
import { ServerProcess, withFreePorts } from "./server-process.ts";

export interface EtcdMember {
  /** `127.0.0.1:<port>`, where clients go. */
  readonly endpoint: string;
  readonly pid: number;
  /** SIGSTOP: it keeps its connections and answers nothing. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Kills it if it runs, and starts it again on the same ports with its data. */
  restart(): Promise<void>;
}

export interface EtcdCluster {
  readonly members: readonly EtcdMember[];
  /** Of all members. */
  readonly endpoints: readonly string[];
  /** Ends all members and removes their data. */
  stop(): Promise<void>;
}

export interface EtcdOptions {
  /** 1 by default; 3 make a cluster that survives the loss of one. */
  readonly members?: number;
  /** Further arguments for each member, e.g. `["--quota-backend-bytes", "1048576"]`. */
  readonly args?: readonly string[];
}

/** Starts an etcd cluster of our own, with elections so quick that a TTL of one second is taken. */
export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdCluster> {
  const count = options.members ?? 1;
  return withFreePorts(count * 2, async (...ports) => {
    const token = randomBytes(6).toString("hex");
    const plans = Array.from({ length: count }, (_, index) => ({
      name: `m${index}-${token}`,
      client: `127.0.0.1:${ports[index * 2]}`,
      peer: `http://127.0.0.1:${ports[index * 2 + 1]}`,
    }));
    const initial = plans.map(({ name, peer }) => `${name}=${peer}`).join(",");
    const binary = await findEtcd();
    // All at once: a member is only ready when most of the others are.
    const started = await Promise.allSettled(
      plans.map(({ name, client, peer }) =>
        ServerProcess.start({
          binary,
          args: (folder) => [
            ...["--name", name, "--data-dir", `${folder}/data`, "--initial-cluster-token", token],
            ...["--listen-client-urls", `http://${client}`, "--advertise-client-urls", `http://${client}`],
            ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
            ...["--initial-cluster", initial, "--initial-cluster-state", "new"],
            ...["--heartbeat-interval", "20", "--election-timeout", "200", "--logger", "zap"],
            ...(options.args ?? []),
          ],
          isReady: () => isReady(client, name),
        }),
      ),
    );
    const processes = started.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
    const stop = async () => {
      await Promise.all(processes.map((process) => process.stop()));
    };
    const failed = started.find((start) => start.status === "rejected");
    if (failed !== undefined) {
      await stop();
      throw failed.reason;
    }
    const members = processes.map((process, index) => memberOf(process, plans[index]?.client ?? ""));
    return { members, endpoints: members.map(({ endpoint }) => endpoint), stop };
  });
}

function memberOf(process: ServerProcess, endpoint: string): EtcdMember {
  return {
    endpoint,
    get pid() {
      return process.pid;
    },
    pause: () => process.pause(),
    resume: () => process.resume(),
    kill: () => process.kill(),
    restart: async () => {
      await process.kill();
      await process.start();
    },
  };
}

/** It answers reads that need a leader, and knows itself by the name that we gave it. */
async function isReady(client: string, name: string): Promise<boolean> {
  const signal = AbortSignal.timeout(1000);
  const post = async (path: string, body: object) => {
    const response = await fetch(`http://${client}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      signal,
    });
    if (!response.ok) throw new Error(`etcd answered ${response.status}`);
    return (await response.json()) as Record<string, unknown>;
  };
  const status = (await post("maintenance/status", {})) as { header?: { member_id?: string } };
  const list = (await post("cluster/member/list", {})) as { members?: { ID?: string; name?: string }[] };
  const own = list.members?.find(({ ID }) => ID === status.header?.member_id);
  if (own?.name !== name) return false;
  await post("kv/range", { key: "AA==" });
  return true;
}
