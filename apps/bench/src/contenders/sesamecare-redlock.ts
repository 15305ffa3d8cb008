/** `@sesamecare-oss/redlock`, on one server, with the defaults of its retries but without an end to them. */
import type { Contender } from "../frame/contender.js";
import { redlockClaimer } from "./redlock-claimer.js";

export const sesamecareRedlock: Contender = {
  name: "@sesamecare-oss/redlock",
  kind: "peer",
  backends: ["redis"],
  packages: ["@sesamecare-oss/redlock", "ioredis"],
  takesMany: true,
  renews: true,
  sends: ["evalsha", "eval"],
  async open({ address, namespace }) {
    const { Redis } = await import("ioredis");
    const { Redlock } = await import("@sesamecare-oss/redlock");
    const client = new Redis(address);
    await client.ping();
    const redlock = new Redlock([client], { retryCount: -1 });
    // That a lock is taken is told here, too; without a listener it would end the process.
    redlock.on("error", () => {});
    return redlockClaimer(`sesamecare:${namespace}`, {
      acquire: (keys, ttlMs) => redlock.acquire(keys, ttlMs),
      release: (lock) => lock.release(),
      close: () => client.disconnect(),
    });
  },
};
