/** `async-mutex`: within one process, one mutex a name. No owner, no time limit, nothing to see from outside. */
import type { Contender } from "../frame/contender.js";

export const asyncMutex: Contender = {
  name: "async-mutex",
  kind: "peer",
  backends: ["memory"],
  packages: ["async-mutex"],
  async open() {
    const { Mutex } = await import("async-mutex");
    const mutexes = new Map<string, InstanceType<typeof Mutex>>();
    const take = async (name: string) => {
      let mutex = mutexes.get(name);
      if (mutex === undefined) {
        mutex = new Mutex();
        mutexes.set(name, mutex);
      }
      return { release: await mutex.acquire() };
    };
    return { take: ([name = ""]) => take(name), takeInTurn: take, close() {} };
  },
};
