import { createLeaseId, type LeaseBackend } from "@lease/core";
import { equal, rejects } from "../assert.js";
import { type CaseContext, type Cases, exclusive } from "./context.js";

/** A bad value, and the field that the error must name where it is not the one it was put in. */
type Bad = readonly [field: string, value: unknown, named?: string];

const NOT_STRINGS = [undefined, null, 7, {}, [], true];
const NOT_IDS = [...NOT_STRINGS, "", "x", "00000000-0000-7000-8000-00000000000", "0".repeat(36)];
const BAD_IDS = [...NOT_IDS, "00000000-0000-7000-8000-00000000000A", " 00000000-0000-7000-8000-000000000000"];
const BAD_TEXTS = ["a\0b", "a\nb", "\u007f", "\ud800", "x\udc00"];
const BAD_AGENTS = [...NOT_STRINGS, "", ...BAD_TEXTS, "x".repeat(257), "é".repeat(129)];
const BAD_REASONS = [7, {}, [], ...BAD_TEXTS, "x".repeat(1025)];
const BAD_NUMBERS = [null, "1000", Number.NaN, Number.POSITIVE_INFINITY, 1.5, -1, 2 ** 53, {}, []];
const BAD_RESOURCES = [
  ...NOT_STRINGS,
  ...["", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "a/./b", "../a", "a/..", "a/../b"],
  ...["*", "a/*", "a*", "*.ts", "**/a", "a/**/b", "a?", "{a,b}", "a/{b,c}/d", "a**", "**a", "***"],
  ...BAD_TEXTS,
  ...["x".repeat(513), "é".repeat(257), "e\u0301"],
];

const each = (field: string, values: readonly unknown[], named = field): Bad[] =>
  values.map((value) => [field, value, named]);

export const badInputCases: Cases = {
  async "acquire refuses what is not valid, names the field, and writes nothing"(c) {
    const holding = [createLeaseId(), createLeaseId()];
    const bads: Bad[] = [
      ...each("id", BAD_IDS),
      ...each("agentId", BAD_AGENTS),
      ...each("claims", [undefined, null, {}, "a", [], 7]),
      ...each("claims", [[null], [{}], ["a"], [7]], "claims[0].resource"),
      ...BAD_RESOURCES.map(
        (resource): Bad => ["claims", exclusive(resource as string), "claims[0].resource"],
      ),
      ...[undefined, null, "", "read", "EXCLUSIVE", 1].map(
        (mode): Bad => ["claims", [{ resource: "a", mode }], "claims[0].mode"],
      ),
      ["claims", [...exclusive("a"), { resource: "b", mode: "both" }], "claims[1].mode"],
      ["claims", exclusive("a", "b", "a"), "claims[2].resource"],
      ["claims", [...exclusive("a"), { resource: "a", mode: "shared" }], "claims[1].resource"],
      ...each("ttlMs", [...BAD_NUMBERS, 0, undefined]),
      ...each("waitTtlMs", [...BAD_NUMBERS, 0, undefined]),
      ...each("maxRenewals", [...BAD_NUMBERS.filter((value) => value !== null), undefined]),
      ...each("wait", [undefined, null, 0, 1, true, false, "yes", "handOff"]),
      ...each("holding", [undefined, null, {}, "a"]),
      ["holding", [...holding, "x"], "holding[2]"],
      ["holding", [null], "holding[0]"],
      ["holding", Array.from({ length: 1001 }, createLeaseId), "holding"],
      ...each("reason", [undefined, ...BAD_REASONS]),
      ...each("metadata", [undefined, 7, "x", true, [], new Date(), new Map(), badMetadata()]),
      ...each("metadata", [{ a: undefined }, { a: () => {} }, { a: Number.NaN }, { a: 1n }, { a: "\ud800" }]),
      ...each("metadata", [{ a: -0 }, { "\udc00": 1 }, { a: new Date() }, { a: "x".repeat(5000) }]),
    ];
    await refusesAll(
      c,
      bads,
      (over) => (on) => on.acquire({ ...c.request("r", { wait: "queue" }), ...over }),
    );
  },

  async "renew refuses what is not valid, names the field, and writes nothing"(c) {
    const held = await c.hold("kept");
    const good = { id: held.id, agentId: held.agentId, token: held.token };
    const bads: Bad[] = [
      ...each("id", BAD_IDS),
      ...each("agentId", BAD_AGENTS),
      ...each("token", [...BAD_NUMBERS, 0]),
      ...each("ttlMs", [...BAD_NUMBERS, 0]),
      ...each("renewal", [...BAD_NUMBERS, 0]),
    ];
    // The bad one stands second: a batch is checked as a whole before anything is done.
    await refusesAll(c, bads, (over) => (on) => on.renew([good, { ...good, ...over }]), "requests[1].");
    for (const requests of [null, {}, "x"]) {
      await rejects(c.backend.renew(requests as never), "INVALID_ARGUMENT", "no list", "requests");
    }
    await rejects(c.backend.renew([null] as never), "INVALID_ARGUMENT", "no request", "requests[0]");
    equal((await c.find(held.id))?.renewals, 0, "the good one of each batch was not renewed either");
  },

  async "release refuses what is not valid, names the field, and writes nothing"(c) {
    const held = await c.hold("kept");
    const good = { kind: "release", id: held.id, agentId: held.agentId } as const;
    const revoke = { kind: "revoke", id: held.id, by: "ops", reason: null, graceMs: 0 } as const;
    const batch = (bad: object) => (on: LeaseBackend) => on.release([good, bad] as never);
    await refusesAll(
      c,
      [
        ...each("kind", [undefined, null, "", "free", 1]),
        ...each("id", BAD_IDS),
        ...each("token", [...BAD_NUMBERS, 0]),
      ],
      (over) => batch({ ...good, ...over }),
      "requests[1].",
    );
    await refusesAll(c, each("agentId", BAD_AGENTS), (over) => batch({ ...good, ...over }), "requests[1].");
    const abandon = { kind: "abandon", id: held.id, agentId: held.agentId };
    await refusesAll(
      c,
      [...each("agentId", BAD_AGENTS), ...each("id", BAD_IDS)],
      (over) => batch({ ...abandon, ...over }),
      "requests[1].",
    );
    await refusesAll(
      c,
      [
        ...each("id", BAD_IDS),
        ...each("by", BAD_AGENTS),
        ...each("reason", [undefined, ...BAD_REASONS]),
        ...each("graceMs", [...BAD_NUMBERS, undefined]),
      ],
      (over) => batch({ ...revoke, ...over }),
      "requests[1].",
    );
    for (const requests of [null, {}, "x"]) {
      await rejects(c.backend.release(requests as never), "INVALID_ARGUMENT", "no list", "requests");
    }
    await rejects(c.backend.release([null] as never), "INVALID_ARGUMENT", "no request", "requests[0]");
    equal((await c.find(held.id))?.state, "active", "the good one of each batch was not released either");
  },

  async "list refuses what is not valid and names the field"(c) {
    const bads: Bad[] = [
      ...each("ids", [null, {}, "a"]),
      ["ids", [createLeaseId(), "x"], "ids[1]"],
      ["ids", Array.from({ length: 1001 }, createLeaseId), "ids"],
      ...each("agentId", BAD_AGENTS.slice(1)),
      ...each("resource", BAD_RESOURCES.slice(1)),
      ...each("state", [null, "", "released", "expired", 1]),
      ...each("limit", [...BAD_NUMBERS, 0, 1001]),
      ...each("after", [null, "", "x", "-1", "1.5", 7]),
    ];
    await refusesAll(c, bads, (over) => (on) => on.list(over));
  },

  async "sweep refuses what is not valid, names the field, and sweeps nothing"(c) {
    const held = await c.hold("r", { ttlMs: c.time.shortMs });
    await c.outlive(held);
    const bads: Bad[] = [
      ...each("historyRetentionMs", [null, "1000", Number.NaN, -1, {}]),
      ...each("limit", [...BAD_NUMBERS, 0]),
    ];
    await refusesAll(c, bads, (over) => (on) => on.sweep(over));
  },

  async "changes refuses what is not valid and names the field"(c) {
    const bads: Bad[] = [
      ...each("ids", [null, {}, "a"]),
      ["ids", ["x"], "ids[0]"],
      ...each("agentId", BAD_AGENTS.slice(1)),
      ...each("resource", BAD_RESOURCES.slice(1)),
      ...each("types", [null, "acquired", {}, ["granted"], [null], ["acquired", ""]]),
      ...each("after", [null, 7, {}, "\0", "x".repeat(201)]),
    ];
    await refusesAll(c, bads, (over) => (on) => c.events(over, on));
    await refusesAll(c, bads, (over) => (on) => c.events({ ...over, follow: true }, on));
  },

  async "turn refuses what is not valid and names the field"(c) {
    const pending = { id: createLeaseId(), timeoutMs: 10 };
    const bads: Bad[] = [
      ...each("id", BAD_IDS),
      ...each("timeoutMs", [undefined, null, "10", Number.NaN, -1]),
    ];
    await refusesAll(c, bads, (over) => (on) => on.turn({ ...pending, ...over }));
  },

  async "an operation called with nothing at all says so"(c) {
    const { backend } = c;
    const calls = {
      acquire: () => backend.acquire(undefined as never),
      turn: () => backend.turn(undefined as never),
      renew: () => backend.renew(undefined as never),
      release: () => backend.release(undefined as never),
      list: () => backend.list(null as never),
      sweep: () => backend.sweep(null as never),
      changes: () => c.events(null as never),
    };
    for (const [name, call] of Object.entries(calls)) await rejects(call(), "INVALID_ARGUMENT", name);
  },
};

/** Every bad value is refused by both clients; afterwards leases and history are what they were. */
async function refusesAll(
  c: CaseContext,
  bads: readonly Bad[],
  calling: (over: Record<string, never>) => (on: LeaseBackend) => Promise<unknown>,
  prefix = "",
): Promise<void> {
  const before = [await standing(c), await c.events()];
  for (const [index, [field, value, named = field]] of bads.entries()) {
    const call = calling({ [field]: value as never });
    const what = `${prefix}${field} = ${shown(value)}`;
    await rejects(call(index % 2 ? c.backend : c.other), "INVALID_ARGUMENT", what, `${prefix}${named}`);
  }
  equal([await standing(c), await c.events()], before, "leases and history, after the bad calls");
}

async function standing(c: CaseContext) {
  return (await c.list()).map(({ expiresInMs: _, expiresAt: __, ...lease }) => lease);
}

function badMetadata(): object {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  return cycle;
}

function shown(value: unknown): string {
  try {
    return (JSON.stringify(value) ?? String(value)).slice(0, 60);
  } catch {
    return String(value);
  }
}
