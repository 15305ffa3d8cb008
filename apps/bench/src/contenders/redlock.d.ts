/** As much of redlock as is used here: version 4 has no types of its own, those of 5 are not where its exports are. */
declare module "redlock4" {
  import type { Redis } from "ioredis";

  interface Lock {
    extend(ttlMs: number): Promise<Lock>;
    unlock(): Promise<void>;
  }

  export default class Redlock {
    constructor(clients: readonly Redis[], options: { readonly retryCount: number });
    lock(resources: readonly string[], ttlMs: number): Promise<Lock>;
  }
}

declare module "redlock5" {
  import type { Redis } from "ioredis5";

  interface Lock {
    extend(ttlMs: number): Promise<Lock>;
    release(): Promise<unknown>;
  }

  export default class Redlock {
    constructor(clients: readonly Redis[], options: { readonly retryCount: number });
    acquire(resources: readonly string[], ttlMs: number): Promise<Lock>;
    on(event: "error", listener: (error: unknown) => void): this;
  }
}
