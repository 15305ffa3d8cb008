/** Connections to one Postgres: its own ones for a URL, or borrowed ones of a caller's pool. */
import { Socket } from "node:net";
import pg, { type ClientBase, type Pool } from "pg";
import type { PostgresBackendOptions } from "./options.js";
import type { Address } from "./url.js";

/** A connection that one call at a time uses. */
export interface Link {
  readonly client: ClientBase;
  /** The server or the way to it ended the connection. */
  readonly broken: boolean;
  /** Gives it back for the next call. */
  giveBack(): void;
  /** Ends it at once, whatever the server answers. */
  destroy(): void;
}

/** Opens or borrows a connection within a bound. */
export type OpenLink = (withinMs: number) => Promise<Link>;

export function linksOfPool(pool: Pool): OpenLink {
  return async (withinMs) => {
    const client = await within(withinMs, pool.connect(), (late) => late.release());
    let broken = false;
    // Without a listener a connection that breaks while nothing uses it would end the process.
    const onError = () => {
      broken = true;
    };
    client.on("error", onError);
    const release = (destroy: boolean) => {
      client.removeListener("error", onError);
      client.release(destroy);
    };
    return {
      client,
      get broken() {
        return broken;
      },
      giveBack: () => release(false),
      destroy: () => release(true),
    };
  };
}

/** The first host that takes writes. */
export function linksOfUrl(address: Address, ssl: PostgresBackendOptions["ssl"]): OpenLink {
  const { hosts, ...login } = address;
  return async (withinMs) => {
    const until = performance.now() + withinMs;
    let failure: unknown;
    for (const [index, host] of hosts.entries()) {
      // There must be time to try the others.
      const forMs = (until - performance.now()) / (hosts.length - index);
      if (forMs <= 0) break;
      try {
        return await connect({ ...host, ...login }, ssl, forMs, hosts.length > 1);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  };
}

async function connect(
  where: Omit<Address, "hosts"> & { readonly host: string; readonly port: number },
  ssl: PostgresBackendOptions["ssl"],
  withinMs: number,
  mustTakeWrites: boolean,
): Promise<Link> {
  const socket = new Socket();
  const client = new pg.Client({ ...where, ssl: ssl ?? false, stream: () => socket, keepAlive: true });
  let broken = false;
  const onBroken = () => {
    broken = true;
  };
  // `pg` reports a failure here and by the promise of the call.
  client.on("error", onBroken);
  client.on("end", onBroken);
  const destroy = () => {
    socket.destroy();
    void client.end().catch(() => {});
  };
  try {
    await within(withinMs, client.connect(), () => {});
    if (mustTakeWrites) {
      const { rows } = await within(
        withinMs,
        client.query("SELECT pg_is_in_recovery() AS standby"),
        () => {},
      );
      if (rows[0]?.standby === true) throw new Error(`${where.host} is a standby and takes no writes`);
    }
  } catch (error) {
    destroy();
    throw error;
  }
  return {
    client,
    get broken() {
      return broken;
    },
    giveBack: () => {},
    destroy,
  };
}

/** @param late - what becomes of a result that comes after the bound */
export function within<T>(ms: number, promise: Promise<T>, late: (result: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false;
    const timer = setTimeout(
      () => {
        over = true;
        reject(new Error("no answer in time"));
      },
      Math.max(1, ms),
    );
    promise.then(
      (result) => {
        clearTimeout(timer);
        if (over) late(result);
        else resolve(result);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
