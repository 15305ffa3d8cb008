/**
 * The steps over a store without a clock, where each client counts on its own: a ledger must be able to answer so.
 * What must hold: no two clients that both rely on conflicting leases; a holder that died blocks for its TTL from when a
 * client that stays first saw it, never less.
 */
import { expect, test } from "vitest";
import type { AcquireRequest } from "../src/backend/backend.js";
import { Steps } from "../src/backend/steps.js";
import { emptyJournal, type Fault, type Journal, ObserverClient } from "./observer-ledger.js";

const TTL = 1000;
const idOf = (n: number) => `01900000-0000-7000-8000-00000000000${n}`;
const asking = (n: number, over: Partial<AcquireRequest> = {}): AcquireRequest => ({
  id: idOf(n),
  agentId: `agent-${n}`,
  claims: [{ resource: "r", mode: "exclusive" }],
  ttlMs: TTL,
  maxRenewals: null,
  wait: "no",
  waitTtlMs: TTL,
  holding: [],
  reason: null,
  metadata: null,
  ...over,
});

/** One journal, and clients whose clocks begin anywhere. */
function world(fault: Fault = null) {
  let now = 0;
  const journal: Journal = emptyJournal();
  const client = (offset = 0) => {
    const one = new ObserverClient(journal, () => now + offset, fault);
    one.look();
    return {
      look: (seen?: Journal) => one.look(seen),
      take: (n: number, over?: Partial<AcquireRequest>) => {
        one.look();
        return one.step((ledger) => new Steps(ledger).acquire(asking(n, over)));
      },
      takeUnseen: (n: number) => one.step((ledger) => new Steps(ledger).acquire(asking(n))),
      renew: (n: number, renewal: number) => {
        one.look();
        return one.step((ledger) => new Steps(ledger).renew({ id: idOf(n), agentId: `agent-${n}`, renewal }));
      },
      release: (n: number) => {
        one.look();
        return one.step((ledger) =>
          new Steps(ledger).release({ kind: "release", id: idOf(n), agentId: `agent-${n}` }),
        );
      },
    };
  };
  return {
    journal,
    client,
    pass: (ms: number) => {
      now += ms;
    },
    events: () => journal.events.map(({ type, id }) => `${type} ${id.at(-1)}`),
  };
}

test("a lease is ended on time by a client that saw it, and recorded before the next grant", () => {
  const { client, pass, events } = world();
  const [one, two] = [client(), client(123_456)];
  expect(one.take(1)).toMatchObject({ status: "granted", lease: { expiresInMs: TTL } });
  expect(two.take(2)).toMatchObject({ status: "refused", retryInMs: TTL });
  pass(TTL - 1);
  expect(two.take(2)).toMatchObject({ status: "refused", blockers: [{ expiresInMs: 1 }] });
  pass(1);
  expect(two.take(2)).toMatchObject({ status: "granted" });
  expect(events()).toEqual(["acquired 1", "expired 1", "acquired 2"]);
});

test("a newcomer waits a whole TTL from when it first saw the lease, and not longer", () => {
  const { client, pass } = world();
  client().take(1);
  pass(TTL * 5);
  const newcomer = client();
  expect(newcomer.take(2)).toMatchObject({ status: "refused", retryInMs: TTL });
  pass(TTL - 1);
  expect(newcomer.take(2)).toMatchObject({ status: "refused" });
  pass(1);
  expect(newcomer.take(2)).toMatchObject({ status: "granted" });
});

test("a renewal that the other did not see: its expiry loses the comparison and writes nothing", () => {
  const { client, pass, events } = world();
  const [one, two] = [client(), client()];
  one.take(1);
  two.look();
  pass(TTL - 1);
  expect(one.renew(1, 1)).toMatchObject({ status: "renewed", repeated: false, lease: { expiresInMs: TTL } });
  pass(1);
  expect(two.takeUnseen(2)).toBeNull();
  expect(two.take(2)).toMatchObject({ status: "refused", retryInMs: TTL });
  expect(events()).toEqual(["acquired 1", "renewed 1"]);
});

test("a picture that comes late does not bring an older version back", () => {
  const { client, pass, journal } = world();
  const [one, two] = [client(), client()];
  one.take(1);
  const old = { ...journal };
  pass(TTL / 2);
  one.renew(1, 1);
  two.look();
  pass(TTL / 2);
  two.look(old);
  expect(two.take(2)).toMatchObject({ status: "refused", retryInMs: TTL / 2 });
});

test("a repeat by a new process has 0 left, and a renewal gives it a whole TTL", () => {
  const { client, pass } = world();
  client().take(1);
  pass(TTL / 2);
  const restarted = client();
  expect(restarted.take(1)).toMatchObject({ status: "granted", repeated: true, lease: { expiresInMs: 0 } });
  expect(restarted.renew(1, 1)).toMatchObject({ status: "renewed", lease: { expiresInMs: TTL } });
});

test("a client that read the journal before the lease was written knows that it is no older than that", () => {
  const { client, pass } = world();
  const [one, two] = [client(), client()];
  two.look();
  one.take(1);
  pass(100);
  expect(two.take(1)).toMatchObject({ status: "granted", repeated: true, lease: { expiresInMs: TTL - 100 } });
});

test("a release frees at once, without a clock", () => {
  const { client } = world();
  const [one, two] = [client(), client()];
  one.take(1);
  expect(one.release(1)).toEqual({ status: "released" });
  expect(two.take(2)).toMatchObject({ status: "granted" });
});

/** Six processes of three agents take random steps. @returns how often two agents relied on the resource at once */
function walk(seed: number, fault: Fault): number {
  const random = mulberry(seed);
  const { client, pass } = world(fault);
  let now = 0;
  let violations = 0;
  const processes = Array.from({ length: 6 }, (_, index) => ({
    n: index % 3,
    client: client(random() * 1e6),
    until: 0,
    renewals: 0,
  }));
  for (let step = 0; step < 60; step += 1) {
    const one = processes[Math.floor(random() * processes.length)] as (typeof processes)[number];
    const chance = random();
    if (chance < 0.4) {
      const sees = random() < 0.8;
      const answer = sees ? one.client.take(one.n) : one.client.takeUnseen(one.n);
      if (answer?.status === "granted") {
        one.until = Math.max(one.until, now + answer.lease.expiresInMs);
        one.renewals = answer.lease.renewals;
      }
    } else if (chance < 0.6) {
      const answer = one.client.renew(one.n, one.renewals + 1);
      if (answer?.status === "renewed") {
        one.until = Math.max(one.until, now + answer.lease.expiresInMs);
        one.renewals = answer.lease.renewals;
      }
    } else if (chance < 0.65) one.client.look();
    else if (chance < 0.72) {
      one.client = client(random() * 1e6);
      one.until = 0;
    } else {
      const ms = Math.floor(random() * TTL);
      now += ms;
      pass(ms);
    }
    const relying = new Set(processes.filter(({ until }) => now < until).map(({ n }) => n));
    if (relying.size > 1) violations += 1;
  }
  return violations;
}

const seeds = Array.from({ length: 400 }, (_, index) => index + 1);

test("random steps of six processes: no two agents rely on one resource at once", () => {
  expect(seeds.filter((seed) => walk(seed, null) > 0)).toEqual([]);
});

test.each(["writes blindly", "newcomer guesses", "one expiry for all"] as const)("found: %s", (fault) => {
  expect(seeds.filter((seed) => walk(seed, fault) > 0).length).toBeGreaterThan(0);
});

function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
