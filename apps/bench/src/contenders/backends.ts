/** Our backends, opened where a case wants them. */
import { join } from "node:path";
import { type LeaseBackend, memoryBackend } from "@lease/core";
import type { Place } from "../frame/contender.js";

/** Where SQLite keeps the leases of a place. */
export const databaseOf = ({ address, namespace }: Place) => join(address, `leases-${namespace}.db`);

/** With its options as they are by default, but for the place. */
export async function openBackendAt(place: Place): Promise<LeaseBackend> {
  const { namespace } = place;
  switch (place.backend) {
    case "memory":
      return memoryBackend();
    case "sqlite": {
      const { sqliteBackend } = await import("@lease/sqlite");
      const { synchronous = "NORMAL" } = place;
      return sqliteBackend({ path: databaseOf(place), synchronous });
    }
    case "redis": {
      const { redisBackend } = await import("@lease/redis");
      return redisBackend({ url: place.address, namespace });
    }
    case "postgres": {
      const { postgresBackend } = await import("@lease/postgres");
      // The server of a run syncs nothing to the disk.
      return postgresBackend({ url: place.address, namespace, allowDataLoss: true });
    }
    case "etcd": {
      const { etcdBackend } = await import("@lease/etcd");
      return etcdBackend({ hosts: place.address, namespace });
    }
  }
}
