/** Moving a hash slot from one master of a cluster to another, step by step, as `redis-cli --cluster reshard` does. */
import type { RedisCluster, RedisServer } from "@lease/test-servers";

export async function slotOf(cluster: RedisCluster, key: string): Promise<number> {
  return Number(await cluster.nodes[0]?.command("CLUSTER", "KEYSLOT", key));
}

export async function ownerOf(cluster: RedisCluster, slot: number): Promise<RedisServer> {
  const ranges = (await cluster.nodes[0]?.command("CLUSTER", "SLOTS")) as [
    number,
    number,
    [string, number],
  ][];
  const range = ranges.find(([from, to]) => from <= slot && slot <= to);
  return cluster.nodes.find(({ port }) => port === range?.[2][1]) as RedisServer;
}

export interface SlotMove {
  readonly from: RedisServer;
  readonly to: RedisServer;
  /** What of it is still where it was. */
  keysLeft(): Promise<string[]>;
  moveKey(key: string): Promise<void>;
  /** Moves what is left, and tells all masters. */
  finish(): Promise<void>;
}

/** From here on the old owner answers `ASK` for keys that it has not any more. */
export async function beginMove(cluster: RedisCluster, slot: number): Promise<SlotMove> {
  const from = await ownerOf(cluster, slot);
  const to = cluster.nodes.find((each) => each !== from) as RedisServer;
  const toId = String(await to.command("CLUSTER", "MYID"));
  await to.command("CLUSTER", "SETSLOT", slot, "IMPORTING", String(await from.command("CLUSTER", "MYID")));
  await from.command("CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
  const keysLeft = async () =>
    ((await from.command("CLUSTER", "GETKEYSINSLOT", slot, 100)) as string[]).toSorted();
  const moveKey = async (key: string) => {
    await from.command("MIGRATE", to.host, to.port, key, 0, 5_000);
  };
  return {
    from,
    to,
    keysLeft,
    moveKey,
    async finish() {
      for (const key of await keysLeft()) await moveKey(key);
      // The new owner first: the slot is never without one.
      for (const each of [to, ...cluster.nodes]) await each.command("CLUSTER", "SETSLOT", slot, "NODE", toId);
    },
  };
}
