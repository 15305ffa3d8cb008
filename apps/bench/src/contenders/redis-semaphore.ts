/** `Mutex` of `redis-semaphore`: tries again every 10 ms, renews by itself, and cannot take several at once. */
import type { Contender } from "../frame/contender.js";

const TTL_MS = 30_000;
const LONG_MS = 3_600_000;

export const redisSemaphore: Contender = {
  name: "redis-semaphore",
  kind: "peer",
  backends: ["redis"],
  packages: ["redis-semaphore", "ioredis"],
  sends: ["set", "evalsha", "eval"],
  async open({ address, namespace }) {
    const { Redis } = await import("ioredis");
    const { Mutex } = await import("redis-semaphore");
    const client = new Redis(address);
    await client.ping();
    const take = async (name: string) => {
      const mutex = new Mutex(client, `${namespace}:${name}`, {
        lockTimeout: TTL_MS,
        acquireTimeout: LONG_MS,
      });
      await mutex.acquire();
      return { release: () => mutex.release() };
    };
    return {
      take: ([name = ""]) => take(name),
      takeInTurn: (name) => take(name),
      close: () => client.disconnect(),
    };
  },
};
