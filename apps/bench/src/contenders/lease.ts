/** Ours, by the contract itself: what the backends cost. History on, as it is by default. */
import { createLeaseId, type Lease, type LeaseBackend } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";
import type { Claimer, Contender, Held } from "../frame/contender.js";
import { openBackendAt } from "./backends.js";

export const lease: Contender = {
  name: "lease",
  kind: "ours",
  backends: ["memory", "sqlite", "redis", "postgres", "etcd"],
  packages: [],
  takesMany: true,
  renews: true,
  sends: ["evalsha", "eval"],
  open: async (place) => claimerOf(await openBackendAt(place)),
};

export function claimerOf(backend: LeaseBackend): Claimer {
  return {
    async take(names, caller) {
      const result = await backend.acquire(requestFor(names, caller));
      if (result.status !== "granted") throw new Error(`${names} should be free, but: ${result.status}`);
      return held(backend, result.lease);
    },
    async takeInTurn(name, caller) {
      const request = requestFor([name], caller, true);
      for (;;) {
        const result = await backend.acquire(request);
        if (result.status === "granted") return held(backend, result.lease);
        if (result.status === "ended") throw new Error(`the place in line ended: ${result.end}`);
        await backend.turn({ id: request.id, timeoutMs: request.waitTtlMs / 3 });
      }
    },
    async tidy() {
      await backend.sweep({ historyRetentionMs: 0 });
    },
    close: () => backend.close(),
  };
}

export function requestFor(names: readonly string[], caller: number, wait = false): AcquireRequest {
  return {
    id: createLeaseId(),
    agentId: `agent-${process.pid}-${caller}`,
    claims: names.map((resource) => ({ resource, mode: "exclusive" })),
    ttlMs: 30_000,
    maxRenewals: null,
    wait: wait ? "hand-off" : "no",
    waitTtlMs: 15_000,
    holding: [],
    reason: null,
    metadata: null,
  };
}

function held(backend: LeaseBackend, { id, agentId, token }: Lease): Held {
  let renewals = 0;
  return {
    async renew() {
      renewals += 1;
      const [result] = await backend.renew([{ id, agentId, token, renewal: renewals }]);
      if (result?.status !== "renewed") throw new Error(`not renewed but ${result?.status}`);
    },
    async release() {
      const [result] = await backend.release([{ kind: "release", id, agentId, token }]);
      if (result?.status !== "released") throw new Error(`not released but ${result?.status}`);
    },
  };
}
