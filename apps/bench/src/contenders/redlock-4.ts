/** `redlock` 4, on one server, with the defaults of its retries but without an end to them. */
import type { Contender } from "../frame/contender.js";

const TTL_MS = 30_000;

export const redlock4: Contender = {
  name: "redlock 4",
  kind: "peer",
  backends: ["redis"],
  packages: ["redlock4", "ioredis"],
  takesMany: true,
  renews: true,
  sends: ["evalsha", "eval"],
  async open({ address, namespace }) {
    const { Redis } = await import("ioredis");
    const { default: Redlock } = await import("redlock4");
    const client = new Redis(address);
    await client.ping();
    const redlock = new Redlock([client], { retryCount: -1 });
    const take = async (names: readonly string[]) => {
      let lock = await redlock.lock(
        names.map((name) => `redlock4:${namespace}:${name}`),
        TTL_MS,
      );
      return {
        async renew() {
          lock = await lock.extend(TTL_MS);
        },
        release: () => lock.unlock(),
      };
    };
    return { take, takeInTurn: (name) => take([name]), close: () => client.disconnect() };
  },
};
