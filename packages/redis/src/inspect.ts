/** Is this a Redis that keeps what it is given? Asked at every new connection, before the first script. */
import { LeaseError } from "@lease/core";
import type { Cluster } from "ioredis";
import { type Client, mastersOf } from "./clients.js";

const LEAST_VERSION = [6, 2] as const;

/**
 * @throws `BACKEND_INCOMPATIBLE` for a server that is too old, is one node of a cluster that the client does not know
 * of, or may evict leases
 */
export async function inspect(
  client: Client,
  options: { readonly allowEviction: boolean; readonly withinMs: number },
): Promise<void> {
  for (const info of await infosOf(mastersOf(client), options.withinMs)) {
    const version = field(info, "redis_version");
    if (isTooOld(version)) {
      throw refused(`it is version ${version}, and the backend needs ${LEAST_VERSION.join(".")} or newer`);
    }
    if (!client.isCluster && field(info, "redis_mode") === "cluster") {
      throw refused("it is one node of a cluster: pass a `Cluster` client of ioredis to redisBackend()");
    }
    const policy = field(info, "maxmemory_policy");
    // The others only evict keys with an expiry, and none of ours has one.
    if (policy.startsWith("allkeys-") && !options.allowEviction) {
      throw refused(
        `its maxmemory-policy is ${policy}, so it may throw away leases that are held. Set it to noeviction (or to a volatile-* policy: no key of the backend has an expiry), or pass allowEviction: true and rely on fencing tokens`,
      );
    }
  }
}

/** Whether a connected server cannot be used yet. (Of a cluster, the nodes say so one by one.) */
export async function isLoading(client: Client, withinMs: number): Promise<boolean> {
  return !client.isCluster && field(await within(withinMs, client.info("persistence")), "loading") === "1";
}

/** What is asked about was not answered in time. */
export class Unanswered extends Error {}

/** Of those that answer in time: a master that has other namespaces must not keep us from ours. */
async function infosOf(nodes: readonly Pick<Cluster, "info">[], withinMs: number): Promise<string[]> {
  const answers = await Promise.allSettled(nodes.map((node) => within(withinMs, node.info())));
  const infos = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  const failed = answers.find((answer) => answer.status === "rejected");
  if (infos.length === 0) throw failed?.reason ?? new Error("The cluster has no masters at present.");
  return infos;
}

function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Unanswered("INFO was not answered in time.")), ms);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function field(info: string, name: string): string {
  return new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1] ?? "";
}

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < LEAST_VERSION[0] || (major === LEAST_VERSION[0] && minor < LEAST_VERSION[1]);
}

function refused(why: string): LeaseError<"BACKEND_INCOMPATIBLE"> {
  return new LeaseError("BACKEND_INCOMPATIBLE", `This Redis cannot be used: ${why}.`);
}
