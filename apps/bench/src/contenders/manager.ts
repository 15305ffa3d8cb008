/** Ours, as most use it: through a manager for each caller, with handles, signals and automatic renewal. */
import { createLeaseManager, type LeaseManager } from "@lease/core";
import type { Contender } from "../frame/contender.js";
import { openBackendAt } from "./backends.js";

export const manager: Contender = {
  name: "lease, by managers",
  kind: "ours",
  backends: ["memory", "sqlite", "redis", "etcd"],
  packages: [],
  takesMany: true,
  sends: ["evalsha", "eval"],
  async open(place) {
    const backend = await openBackendAt(place);
    const managers: LeaseManager[] = [];
    const of = (caller: number) => {
      managers[caller] ??= createLeaseManager({ backend, agentId: `agent-${process.pid}-${caller}` });
      return managers[caller];
    };
    return {
      take: (names, caller) => of(caller).acquire(names),
      takeInTurn: (name, caller) => of(caller).acquire(name, { waitMs: Number.POSITIVE_INFINITY }),
      async tidy() {
        await backend.sweep({ historyRetentionMs: 0 });
      },
      async close() {
        await Promise.all(managers.map((each) => each.close()));
        await backend.close();
      },
    };
  },
};
