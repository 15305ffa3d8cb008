/** What the redlocks have in common: several names at once, and a lock that an extension replaces. */
import type { Claimer, Held } from "../frame/contender.js";

const TTL_MS = 30_000;

interface Lock<L> {
  extend(ttlMs: number): Promise<L>;
}

export interface Redlock<L extends Lock<L>> {
  /** Waits as long as it takes. */
  readonly acquire: (keys: string[], ttlMs: number) => PromiseLike<L>;
  readonly release: (lock: L) => unknown;
  readonly close: () => void;
}

export function redlockClaimer<L extends Lock<L>>(
  prefix: string,
  { acquire, release, close }: Redlock<L>,
): Claimer {
  const take = async (names: readonly string[]): Promise<Held> => {
    let lock = await acquire(
      names.map((name) => `${prefix}:${name}`),
      TTL_MS,
    );
    return {
      async renew() {
        lock = await lock.extend(TTL_MS);
      },
      release: () => release(lock),
    };
  };
  return { take, takeInTurn: (name) => take([name]), close };
}
