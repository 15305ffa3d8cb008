/** `redlock` 4, on one server, with the defaults of its retries but without an end to them. */
import type { Contender } from "../frame/contender.js";
import { redlockClaimer } from "./redlock-claimer.js";

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
    return redlockClaimer(`redlock4:${namespace}`, {
      acquire: (keys, ttlMs) => redlock.lock(keys, ttlMs),
      release: (lock) => lock.unlock(),
      close: () => client.disconnect(),
    });
  },
};
