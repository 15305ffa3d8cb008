/** A real cluster whose masters have replicas: masters that hang, that die, and that are replaced. */
import type { LeaseBackend } from "@lease/core";
import { type RedisCluster, type RedisServer, startRedisCluster } from "@lease/test-servers";
import { Cluster } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { namespaceKeys } from "../src/keys.js";
import {
  again,
  caughtUp,
  hold,
  LESS_THAN_DEFAULT_MS,
  NEVER_MS,
  open,
  queue,
  release,
  request,
} from "./helpers.js";
import { ownerOf, slotOf } from "./slots.js";

const CALL_MS = 600;

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster({ withReplicas: true });
});
afterAll(() => cluster.stop());

function clientOf(redisOptions: { readonly username?: string; readonly password?: string } = {}): Cluster {
  const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
  return new Cluster(nodes, { redisOptions, lazyConnect: true });
}

const ownerOfNamespace = async (namespace: string): Promise<RedisServer> =>
  ownerOf(cluster, await slotOf(cluster, namespaceKeys(namespace).hash));

test("a master hangs: its namespaces fail within the bound, those of others go on, and all is well when it does", async () => {
  const client = clientOf();
  const [hung, well] = await namespacesOfTwo();
  const theirs = open({ client, namespace: hung, callTimeoutMs: CALL_MS });
  const ours = open({ client, namespace: well, callTimeoutMs: CALL_MS });
  const held = await hold(theirs, "r");
  await hold(ours, "warm");
  const owner = await ownerOfNamespace(hung);
  owner.pause();
  try {
    for (let call = 0; call < 3; call += 1) {
      const sent = performance.now();
      await expect(theirs.renew([held])).rejects.toMatchObject({
        code: expect.stringMatching(/^(OUTCOME_UNKNOWN|BACKEND_UNAVAILABLE)$/),
      });
      expect(performance.now() - sent).toBeLessThan(LESS_THAN_DEFAULT_MS);
      await hold(ours, `r/${call}`);
    }
    // Who comes only now must not be kept from its own master by another's.
    const newcomer = open({ client, namespace: well, callTimeoutMs: 2_000 });
    expect((await newcomer.list({})).leases).toHaveLength(4);
  } finally {
    owner.resume();
  }
  await expect.poll(() => renewal(theirs, held)).toBe("renewed");
});

test("the master that a subscription is at hangs: waiters are called all the same", async () => {
  const { backend, namespace, pending, held, turn, subscribedAt } = await subscribedElsewhere();
  subscribedAt.pause();
  try {
    expect(await release(open({ client: clientOf(), namespace }), held)).toBe("released");
    await turn;
    expect(await backend.acquire(again(pending))).toMatchObject({ status: "granted" });
  } finally {
    subscribedAt.resume();
  }
});

test("a password that the cluster does not take is said at once", async () => {
  const client = clientOf({ username: "nobody", password: "tr0ub4dor" });
  const error = await open({ client, callTimeoutMs: NEVER_MS })
    .list({})
    .catch((thrown: unknown) => thrown as Error);
  expect(error).toMatchObject({ code: "BACKEND_INCOMPATIBLE", message: expect.stringContaining("password") });
});

test("one node of a cluster, by its URL, is refused, naming the cluster client", async () => {
  await expect(open({ url: cluster.nodes[0]?.url as string }).acquire(request("r"))).rejects.toMatchObject({
    code: "BACKEND_INCOMPATIBLE",
    message: expect.stringContaining("`Cluster` client"),
  });
});

test("a master dies and its replica takes over: what was replicated is held on, tokens grow, waiters are called", async () => {
  const [namespace] = await namespacesOfTwo();
  const client = clientOf();
  const backend = open({ client, namespace, callTimeoutMs: CALL_MS });
  const other = open({ client, namespace, callTimeoutMs: CALL_MS });
  const held = await hold(backend, "r");
  const pending = await queue(other, "r", { agentId: "bob" });
  const owner = await ownerOfNamespace(namespace);
  const replica = cluster.replicas[cluster.nodes.indexOf(owner)] as RedisServer;
  await caughtUp(owner, replica);

  await owner.kill();
  const sent = performance.now();
  await expect(backend.renew([held])).rejects.toMatchObject({
    code: expect.stringMatching(/^(OUTCOME_UNKNOWN|BACKEND_UNAVAILABLE)$/),
  });
  expect(performance.now() - sent).toBeLessThan(LESS_THAN_DEFAULT_MS);
  await replica.command("CLUSTER", "FAILOVER", "TAKEOVER");
  await expect.poll(() => renewal(backend, held)).toBe("renewed");
  expect(await backend.acquire(request("r", { agentId: "carol" }))).toMatchObject({
    status: "refused",
    blockers: [{ id: held.id, token: held.token }, { id: pending.id }],
  });
  const turn = other.turn({ id: pending.id, timeoutMs: 30_000 });
  expect(await release(backend, held)).toBe("released");
  await turn;
  expect(await other.acquire(again(pending))).toMatchObject({
    status: "granted",
    lease: { token: pending.token },
  });
  expect((await hold(backend, "s")).token).toBeGreaterThan(pending.token);
});

/** Two namespaces that are at different masters. */
async function namespacesOfTwo(): Promise<[string, string]> {
  const first = crypto.randomUUID();
  for (;;) {
    const second = crypto.randomUUID();
    if ((await ownerOfNamespace(first)) !== (await ownerOfNamespace(second))) return [first, second];
  }
}

/** Somebody who waits, subscribed at a master that does not have the namespace. */
async function subscribedElsewhere() {
  for (;;) {
    const namespace = crypto.randomUUID();
    const backend = open({ client: clientOf(), namespace, callTimeoutMs: CALL_MS });
    const held = await hold(backend, "r", { ttlMs: NEVER_MS });
    const pending = await queue(backend, "r", { agentId: "bob", ttlMs: NEVER_MS, waitTtlMs: NEVER_MS });
    const turn = backend.turn({ id: pending.id, timeoutMs: NEVER_MS });
    const subscribedAt = await subscriptionOf(namespace);
    if (subscribedAt !== (await ownerOfNamespace(namespace))) {
      return { backend, namespace, pending, held, turn, subscribedAt };
    }
    await release(backend, held);
    await turn;
  }
}

async function subscriptionOf(namespace: string): Promise<RedisServer> {
  const channels = `lease:{${namespace}}:*`;
  const find = async () => {
    for (const node of cluster.nodes) {
      if (((await node.command("PUBSUB", "CHANNELS", channels)) as unknown[]).length > 0) return node;
    }
    return undefined;
  };
  let node: RedisServer | undefined;
  await expect
    .poll(async () => {
      node = await find();
      return node !== undefined;
    })
    .toBe(true);
  return node as RedisServer;
}

function renewal(
  backend: LeaseBackend,
  lease: Parameters<LeaseBackend["renew"]>[0][number],
): Promise<string> {
  return backend.renew([lease]).then(
    ([result]) => String(result?.status),
    () => "not yet",
  );
}
