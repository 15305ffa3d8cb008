/**
 * A backend of your own, complete: leases in one JSON file. It shows what a store has to bring, since everything that is
 * decided stands in `@lease/core/backend`.
 *
 * Guarantees: the whole contract between all callers in one process, and after a restart of it.
 * Does not guarantee: anything between two processes (nothing here locks the file), or after a power cut. After a restart
 * every lease lives for its whole time again.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import {
  type Claim,
  type Clock,
  createLeaseId,
  type LeaseBackend,
  type LeaseEvent,
  type LeaseEventType,
  systemClock,
} from "@lease/core";
import * as kit from "@lease/core/backend";

interface StoredLease extends kit.LeaseRecord {
  expires: number;
  livesMs: number;
}

/** What the file holds. */
interface State {
  readonly epoch: string;
  token: number;
  leases: Record<string, StoredLease>;
  ended: Record<string, kit.EndRecord & { forgetAt: number }>;
  history: { readonly sequence: number; readonly wall: number; readonly event: LeaseEvent }[];
  last: number;
  prunedThrough: number;
}

const END_MEMORY_MS = 60_000;
const EMPTY = { token: 0, leases: {}, ended: {}, history: [], last: 0, prunedThrough: 0 };

/** Core's steps over the file's state: look-ups and writes, and no decision. */
class JsonLedger implements kit.Ledger<StoredLease, StoredLease> {
  constructor(
    readonly state: State,
    readonly at: { readonly now: number; readonly wallNow: number },
  ) {}
  steps = new kit.Steps<StoredLease, StoredLease>(this);
  lease = (id: string) => this.state.leases[id];
  ended = (id: string) => {
    const ended = this.state.ended[id];
    return ended !== undefined && this.at.now < ended.forgetAt ? ended : undefined;
  };
  all = () => Object.values(this.state.leases).sort((a, b) => a.token - b.token);
  rivals = (claims: readonly Claim[]) =>
    this.all().filter((lease) => kit.firstConflict(claims, lease.claims));
  read = (lease: StoredLease) => lease;
  isOver = (lease: StoredLease) => this.at.now >= lease.expires;
  blocksMs = (lease: StoredLease) => lease.expires - this.at.now;
  holdsMs = this.blocksMs;
  nextToken(): number {
    this.state.token = kit.mintToken(this.state.token, this.at.wallNow);
    return this.state.token;
  }
  insert(record: kit.LeaseRecord, livesMs: number): StoredLease {
    const lease = { ...record, livesMs, expires: this.at.now + livesMs };
    this.state.leases[record.id] = lease;
    return lease;
  }
  extend(lease: StoredLease, livesMs: number): void {
    Object.assign(lease, { livesMs, expires: this.at.now + livesMs });
  }
  save(lease: StoredLease, livesMs = this.blocksMs(lease)): void {
    this.extend(lease, livesMs);
  }
  remove(lease: StoredLease): void {
    delete this.state.leases[lease.id];
  }
  bury(id: string, end: kit.EndRecord): void {
    this.state.ended[id] = { ...end, forgetAt: this.at.now + END_MEMORY_MS };
  }
  record(type: LeaseEventType, lease: StoredLease, act: kit.Act): void {
    this.state.last += 1;
    const { epoch, last: sequence, history } = this.state;
    const at = new Date(this.at.wallNow).toISOString();
    const event = { cursor: kit.formatCursor(epoch, sequence), type, at, lease: this.show(lease), ...act };
    history.push({ sequence, wall: this.at.wallNow, event });
  }
  show = (lease: StoredLease) => kit.leaseOf({ ...lease }, this.holdsMs(lease), this.at);
}

/** Keeps leases in a JSON file, for the callers in one process. */
export function jsonFileBackend(options: { readonly path: string; readonly clock?: Clock }): LeaseBackend {
  const { path, clock = systemClock } = options;
  const changed = new kit.Bell();
  const state = existsSync(path)
    ? reopened(path, Math.floor(clock.now()))
    : structuredClone({ ...EMPTY, epoch: createLeaseId() });

  const ledger = () =>
    new JsonLedger(state, { now: Math.floor(clock.now()), wallNow: Math.floor(clock.wallNow()) });
  const turns = new kit.Turns(clock, (id) => ledger().steps.turn(id));

  /** One transaction: all that a step writes replaces the file at once, or none of it. */
  function step<T>(run: (ledger: JsonLedger) => T): T {
    const before = state.last;
    const answer = structuredClone(run(ledger()));
    writeFileSync(`${path}.new`, JSON.stringify(state));
    renameSync(`${path}.new`, path);
    if (state.last !== before) {
      turns.check();
      changed.ring();
    }
    return answer;
  }

  return kit.defineBackend({
    kind: "json-file",
    limits: {
      ...{ minTtlMs: 1, ttlStepMs: 1, maxClaims: 1000, expirySlackMs: 1, orphanSlackTtls: 1 },
      ...{ endMemoryMs: END_MEMORY_MS, renewals: "recorded", history: "kept", mayEndEarly: false },
    },
    acquire: async (request) => step(({ steps }) => steps.acquire(request)),
    turn: (wait) => turns.wait(wait),
    renew: async (requests) => step(({ steps }) => requests.map((request) => steps.renew(request))),
    release: async (requests) => step(({ steps }) => requests.map((request) => steps.release(request))),
    async list(query) {
      const { all, isOver, show } = ledger();
      const live = all().filter((lease) => !isOver(lease));
      return structuredClone(kit.pageOf(live, query, kit.formatCursor(state.epoch, state.last), show));
    },
    sweep: async ({ limit = 1000, historyRetentionMs = Number.POSITIVE_INFINITY }) =>
      step((ledger) => {
        const over = ledger.all().filter(ledger.isOver);
        const more = over.splice(limit).length > 0;
        for (const lease of over) ledger.steps.expire(lease);
        const young = state.history.findIndex(({ wall }) => wall >= ledger.at.wallNow - historyRetentionMs);
        const pruned = state.history.splice(0, young < 0 ? state.history.length : young);
        state.prunedThrough = pruned.at(-1)?.sequence ?? state.prunedThrough;
        return { expired: over.map(ledger.show), pruned: pruned.length, more };
      }),
    changes: (change) =>
      kit.readChanges(change, {
        bounds: () => state,
        page: (sequence, limit) => ({
          entries: state.history.filter((entry) => entry.sequence > sequence).slice(0, limit),
          prunedThrough: state.prunedThrough,
        }),
        entryAfter: (sequence, signal) => (state.last > sequence ? Promise.resolve() : changed.wait(signal)),
      }),
    async close() {
      turns.close();
      changed.close();
    },
  });
}

/** Nothing says how long the file was closed, so each lease gets the time again that it was last given. */
function reopened(path: string, now: number): State {
  const state: State = JSON.parse(readFileSync(path, "utf8"));
  for (const lease of Object.values(state.leases)) lease.expires = now + lease.livesMs;
  for (const end of Object.values(state.ended)) end.forgetAt = now + END_MEMORY_MS;
  return state;
}
