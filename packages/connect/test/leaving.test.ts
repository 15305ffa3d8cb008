/** A waiter that gave up is in no request's way, on every store that processes can share. */
import { setTimeout } from "node:timers/promises";
import { createLeaseManager } from "@lease/core";
import { sharedStores } from "@lease/test-servers";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { openBackend } from "../src/index.js";

const ROUNDS = 100;

describe.for(sharedStores(afterAll))("on $name", (store) => {
  test("an aborted acquire has left when it rejects, also where its turn came in that moment", async () => {
    const url = await store.url();
    const managers = await Promise.all(
      ["holder", "waiter", "other"].map(async (agentId) => {
        const backend = await openBackend(url);
        const leases = createLeaseManager({ backend, agentId });
        onTestFinished(() => leases.close({ backend: true }));
        return leases;
      }),
    );
    const [holder, waiter, other] = managers as [
      (typeof managers)[0],
      (typeof managers)[0],
      (typeof managers)[0],
    ];
    const refusals: string[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const resource = `round/${round}`;
      const held = await holder.acquire(resource);
      const abort = new AbortController();
      const waiting = waiter.acquire(resource, { signal: abort.signal }).then(
        (lease) => lease.release(),
        () => undefined,
      );
      await setTimeout(round % 10);
      // The release and the abort meet in every order.
      const released = round % 2 === 0 ? held.release() : undefined;
      if (round % 4 === 0) await setTimeout(0);
      abort.abort();
      await waiting;
      await (released ?? held.release());
      const attempt = await other.tryAcquire(resource);
      if (attempt.granted) await attempt.lease.release();
      else refusals.push(attempt.message);
    }
    expect(refusals).toEqual([]);
  });
});
