/** `redlock` 5 (beta), on one server, with the defaults of its retries but without an end to them. It is made for ioredis 5. */
import type { Contender } from "../frame/contender.js";
import { redlockClaimer } from "./redlock-claimer.js";

export const redlock5: Contender = {
  name: "redlock 5 beta",
  kind: "peer",
  backends: ["redis"],
  packages: ["redlock5", "ioredis5"],
  takesMany: true,
  renews: true,
  sends: ["evalsha", "eval"],
  async open({ address, namespace }) {
    const { Redis } = await import("ioredis5");
    const { default: Redlock } = await import("redlock5");
    const client = new Redis(address);
    await client.ping();
    const redlock = new Redlock([client], { retryCount: -1 });
    // That a lock is taken is told here, too; without a listener it would end the process.
    redlock.on("error", () => {});
    return redlockClaimer(`redlock5:${namespace}`, {
      acquire: (keys, ttlMs) => redlock.acquire(keys, ttlMs),
      release: (lock) => lock.release(),
      close: () => client.disconnect(),
    });
  },
};
