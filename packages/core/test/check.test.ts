import vm from "node:vm";
import { describe, expect, test } from "vitest";
import type {
  AcquireRequest,
  BackendLimits,
  ChangesOptions,
  LeaseQuery,
  ReleaseRequest,
  RenewRequest,
  SweepOptions,
  TurnRequest,
} from "../src/backend/backend.js";
import {
  checkAcquire,
  checkChanges,
  checkEndMemory,
  checkQuery,
  checkRelease,
  checkRenew,
  checkSweep,
  checkTurn,
} from "../src/backend/check.js";
import { createLeaseId } from "../src/id.js";
import { memoryBackend } from "../src/memory/memory.js";
import { MAX } from "../src/model/max.js";
import { expectInvalid } from "./expect-invalid.js";

const limits: BackendLimits = {
  minTtlMs: 10,
  ttlStepMs: 1,
  maxClaims: 3,
  expirySlackMs: 1,
  orphanSlackTtls: 0,
  endMemoryMs: 60_000,
  renewals: "recorded",
  history: "kept",
  mayEndEarly: false,
};

const id = createLeaseId();

/** What a caller without types can send. */
type Loose<T> = { [K in keyof T]?: unknown };

function acquire(over: Loose<AcquireRequest>): void {
  const valid: AcquireRequest = {
    id,
    agentId: "agent-1",
    claims: [{ resource: "a", mode: "exclusive" }],
    ttlMs: 100,
    maxRenewals: null,
    wait: "no",
    waitTtlMs: 100,
    holding: [],
    reason: null,
    metadata: null,
  };
  checkAcquire({ ...valid, ...over } as AcquireRequest, limits);
}

function nested(levels: number): object {
  return levels === 1 ? {} : { in: nested(levels - 1) };
}

/** An object that cannot be turned into a string: naming it in a refusal must not throw something else. */
const UNPRINTABLE = JSON.parse('{ "toString": 1 }');

describe("acquire takes", () => {
  test.each<[string, Loose<AcquireRequest>]>([
    ["a plain request", {}],
    ["no renewals at all", { maxRenewals: 0 }],
    ["the longest agent id", { agentId: "x".repeat(MAX.agentIdBytes) }],
    ["any language", { agentId: "Größe 日本 🙂", reason: "überarbeiten" }],
    ["an empty reason", { reason: "" }],
    ["TTLs at both ends", { ttlMs: 10, waitTtlMs: MAX.ttlMs }],
    ["held leases", { holding: [id] }],
    ["metadata", { metadata: { a: [1, "x", null, true, { b: [] }] } }],
    ["metadata without a prototype", { metadata: Object.create(null) }],
    ["metadata of another realm", { metadata: vm.runInNewContext("({ a: [{ b: 1 }] })") }],
    ["metadata 16 levels deep", { metadata: nested(16) }],
    ["metadata that just fits", { metadata: { a: "x".repeat(MAX.metadataBytes - 8) } }],
  ])("%s", (_what, over) => {
    expect(() => acquire(over)).not.toThrow();
  });
});

describe("acquire refuses, and names the field", () => {
  test.each<[field: string, over: Loose<AcquireRequest>, message: RegExp]>([
    ["id", { id: undefined }, /UUID in lower case.*createLeaseId/],
    ["id", { id: "lease-1" }, /UUID/],
    ["id", { id: id.toUpperCase().replace(/^./, "A") }, /lower case/],
    ["id", { id: `${id}\n` }, /UUID/],
    ["agentId", { agentId: 7 }, /must be a string/],
    ["agentId", { agentId: "" }, /must not be empty/],
    ["agentId", { agentId: "a\nb" }, /control character/],
    ["agentId", { agentId: "\udc00" }, /surrogate/],
    ["agentId", { agentId: "x".repeat(MAX.agentIdBytes + 1) }, /257 bytes.*more than 256/],
    ["claims", { claims: undefined }, /list of at least one/],
    ["claims", { claims: "src/app.ts" }, /list of at least one/],
    ["claims", { claims: [] }, /list of at least one/],
    ["claims", { claims: ["a", "b", "c", "d"] }, /4 claims, more than 3: claim a subtree/],
    ["claims[0].resource", { claims: ["a"] }, /must be a string/],
    ["claims[0].resource", { claims: [null] }, /must be a string/],
    // biome-ignore lint/suspicious/noSparseArray: what a careless caller may build
    ["claims[0].resource", { claims: [, { resource: "a", mode: "shared" }] }, /must be a string/],
    ["claims[0].resource", { claims: [{ resource: "./a", mode: "shared" }] }, /fileResource/],
    ["claims[0].mode", { claims: [{ resource: "a" }] }, /"exclusive" or "shared"/],
    ["claims[0].mode", { claims: [{ resource: "a", mode: "write" }] }, /"exclusive" or "shared"/],
    [
      "claims[1].resource",
      {
        claims: [
          { resource: "a", mode: "shared" },
          { resource: "a", mode: "exclusive" },
        ],
      },
      /"a" a second time/,
    ],
    ["ttlMs", { ttlMs: 9 }, /whole number from 10 to 604800000; got 9/],
    ["ttlMs", { ttlMs: MAX.ttlMs + 1 }, /got 604800001/],
    ["ttlMs", { ttlMs: 10.5 }, /got 10.5/],
    ["ttlMs", { ttlMs: "100" }, /got "100"/],
    ["ttlMs", { ttlMs: Number.NaN }, /got NaN/],
    ["ttlMs", { ttlMs: undefined }, /got undefined/],
    ["ttlMs", { ttlMs: UNPRINTABLE }, /got an object/],
    ["ttlMs", { ttlMs: [100] }, /got a list/],
    ["ttlMs", { ttlMs: Symbol("soon") }, /got Symbol\(soon\)/],
    ["maxRenewals", { maxRenewals: -1 }, /at least 0; got -1/],
    ["maxRenewals", { maxRenewals: Number.POSITIVE_INFINITY }, /got Infinity/],
    ["maxRenewals", { maxRenewals: undefined }, /got undefined/],
    ["wait", { wait: "yes" }, /"no", "queue" or "hand-off"; got "yes"/],
    ["wait", { wait: true }, /got true/],
    ["waitTtlMs", { waitTtlMs: 0 }, /got 0/],
    ["holding", { holding: id }, /must be a list; got "/],
    ["holding[1]", { holding: [id, "x"] }, /UUID/],
    ["holding", { holding: Array(MAX.holding + 1).fill(id) }, /1001 ids, more than 1000/],
    ["reason", { reason: undefined }, /must be a string/],
    ["reason", { reason: "a\u001b[31m" }, /control character/],
    ["reason", { reason: "x".repeat(MAX.reasonBytes + 1) }, /1025 bytes/],
    ["metadata", { metadata: undefined }, /JSON object or null/],
    ["metadata", { metadata: "text" }, /JSON object or null/],
    ["metadata", { metadata: [] }, /JSON object or null/],
    ["metadata", { metadata: { a: undefined } }, /plain JSON/],
    ["metadata", { metadata: { a: () => {} } }, /plain JSON/],
    ["metadata", { metadata: { a: 1n } }, /plain JSON/],
    ["metadata", { metadata: { a: Number.NaN } }, /plain JSON/],
    ["metadata", { metadata: { a: -0 } }, /plain JSON/],
    ["metadata", { metadata: { a: "\ud800" } }, /plain JSON/],
    ["metadata", { metadata: { "\ud800": 1 } }, /plain JSON/],
    ["metadata", { metadata: { a: new Date(0) } }, /plain JSON/],
    ["metadata", { metadata: { a: new Map() } }, /plain JSON/],
    // biome-ignore lint/suspicious/noSparseArray: a hole comes back as null
    ["metadata", { metadata: { a: [, 1] } }, /plain JSON/],
    ["metadata", { metadata: new (class Config {})() }, /plain JSON/],
    ["metadata", { metadata: nested(17) }, /at most 16 levels/],
    ["metadata", { metadata: { a: "x".repeat(MAX.metadataBytes - 7) } }, /4097 bytes.*more than 4096/],
  ])("%s: %o", (field, over, message) => {
    expect(expectInvalid(field, () => acquire(over))).toMatch(message);
  });

  test("metadata that contains itself", () => {
    const metadata: Record<string, unknown> = {};
    metadata.self = metadata;
    expectInvalid("metadata", () => acquire({ metadata }));
  });

  test.each([undefined, null, "src/app.ts"])("a request that is %s", (request) => {
    expectInvalid("request", () => checkAcquire(request as unknown as AcquireRequest, limits));
  });
});

describe("turn", () => {
  const turn = (over: Loose<TurnRequest>) => checkTurn({ id, timeoutMs: 100, ...over } as TurnRequest);

  test("takes any timeout, also none", () => {
    for (const timeoutMs of [0, 0.5, Number.POSITIVE_INFINITY]) turn({ timeoutMs });
  });

  test.each<[string, Loose<TurnRequest>]>([
    ["id", { id: "x" }],
    ["timeoutMs", { timeoutMs: -1 }],
    ["timeoutMs", { timeoutMs: Number.NaN }],
    ["timeoutMs", { timeoutMs: "100" }],
    ["timeoutMs", { timeoutMs: undefined }],
  ])("refuses %s: %o", (field, over) => {
    expectInvalid(field, () => turn(over));
  });

  test("refuses what is no object", () => {
    expectInvalid("wait", () => checkTurn(undefined as unknown as TurnRequest));
  });
});

describe("renew", () => {
  const good: RenewRequest = { id, agentId: "agent-1" };
  const renew = (...requests: unknown[]) => checkRenew(requests as RenewRequest[], limits);

  test("takes few fields or all, and no request", () => {
    renew();
    renew(good, { ...good, token: 1, ttlMs: 10, renewal: 1 });
  });

  test.each<[string, Loose<RenewRequest>]>([
    ["id", { id: 1 }],
    ["agentId", { agentId: "" }],
    ["token", { token: 0 }],
    ["token", { token: "5" }],
    ["token", { token: 2 ** 53 }],
    ["ttlMs", { ttlMs: 5 }],
    ["renewal", { renewal: 0 }],
    ["renewal", { renewal: 1.5 }],
  ])("refuses %s: %o", (field, over) => {
    expectInvalid(`requests[1].${field}`, () => renew(good, { ...good, ...over }));
  });

  test("refuses what is no list, and no request in it", () => {
    expectInvalid("requests", () => checkRenew(good as unknown as RenewRequest[], limits));
    expectInvalid("requests[0]", () => renew(null));
  });
});

describe("release", () => {
  const release = (...requests: unknown[]) => checkRelease(requests as ReleaseRequest[]);

  test("takes all three kinds", () => {
    release(
      { kind: "release", id, agentId: "agent-1" },
      { kind: "release", id, agentId: "agent-1", token: 3 },
      { kind: "abandon", id, agentId: "agent-1" },
      { kind: "revoke", id, by: "ops", reason: null, graceMs: 0 },
      { kind: "revoke", id, by: "ops", reason: "deploy", graceMs: 1000 },
    );
  });

  test.each<[string, object]>([
    ["id", { kind: "release", id: "", agentId: "a" }],
    ["agentId", { kind: "release", id }],
    ["token", { kind: "release", id, agentId: "a", token: -1 }],
    ["agentId", { kind: "abandon", id, agentId: 1 }],
    ["by", { kind: "revoke", id, by: "", reason: null, graceMs: 0 }],
    ["reason", { kind: "revoke", id, by: "ops", graceMs: 0 }],
    ["graceMs", { kind: "revoke", id, by: "ops", reason: null, graceMs: -1 }],
    ["graceMs", { kind: "revoke", id, by: "ops", reason: null, graceMs: MAX.ttlMs + 1 }],
    ["kind", { kind: "steal", id, agentId: "a" }],
    ["kind", { id, agentId: "a" }],
  ])("refuses %s: %o", (field, request) => {
    expectInvalid(`requests[0].${field}`, () => release(request));
  });

  test("refuses what is no list, and no request in it", () => {
    expectInvalid("requests", () => checkRelease(undefined as unknown as ReleaseRequest[]));
    expectInvalid("requests[0]", () => release("x"));
  });
});

describe("list", () => {
  test("takes no filter, or all", () => {
    checkQuery({});
    checkQuery({
      ids: [id],
      agentId: "a",
      resource: "src/**",
      state: "pending",
      limit: 1000,
      after: "12~e.5",
    });
  });

  test.each<[string, Loose<LeaseQuery>]>([
    ["ids", { ids: id }],
    ["ids[0]", { ids: ["x"] }],
    ["ids", { ids: Array(1001).fill(id) }],
    ["agentId", { agentId: "" }],
    ["resource", { resource: "/a" }],
    ["state", { state: "expired" }],
    ["limit", { limit: 0 }],
    ["limit", { limit: 1001 }],
    ["after", { after: "x" }],
    ["after", { after: "" }],
    ["after", { after: 12 }],
    ["after", { after: "12" }],
    ["after", { after: "12~" }],
    ["after", { after: "12~e 5" }],
    ["after", { after: "-1~e.5" }],
    ["after", { after: `12~${"e".repeat(300)}` }],
  ])("refuses %s: %o", (field, query) => {
    expectInvalid(field, () => checkQuery(query as LeaseQuery));
  });

  test("refuses what is no object", () => {
    expectInvalid("query", () => checkQuery(undefined as unknown as LeaseQuery));
  });
});

describe("sweep", () => {
  test("takes nothing, or all", () => {
    checkSweep({});
    checkSweep({ historyRetentionMs: 0, limit: 1 });
  });

  test.each<[string, Loose<SweepOptions>]>([
    ["historyRetentionMs", { historyRetentionMs: -1 }],
    ["historyRetentionMs", { historyRetentionMs: "1d" }],
    ["limit", { limit: 0 }],
    ["limit", { limit: 1.5 }],
  ])("refuses %s: %o", (field, options) => {
    expectInvalid(field, () => checkSweep(options as SweepOptions));
  });

  test("refuses what is no object", () => {
    expectInvalid("options", () => checkSweep(null as unknown as SweepOptions));
  });
});

describe("changes", () => {
  test("takes nothing, or all", () => {
    checkChanges({});
    checkChanges({ after: "end", follow: true, ids: [id], agentId: "a", resource: "a", types: ["expired"] });
  });

  test.each<[string, Loose<ChangesOptions>]>([
    ["after", { after: 12 }],
    ["after", { after: "x".repeat(201) }],
    ["after", { after: "e.1\n" }],
    ["ids[0]", { ids: [""] }],
    ["agentId", { agentId: "\n" }],
    ["resource", { resource: "*" }],
    ["types", { types: ["created"] }],
    ["types", { types: "expired" }],
    ["types", { types: [UNPRINTABLE] }],
  ])("refuses %s: %o", (field, options) => {
    expectInvalid(field, () => checkChanges(options as ChangesOptions));
  });

  test("refuses what is no object", () => {
    expectInvalid("options", () => checkChanges(7 as unknown as ChangesOptions));
  });
});

describe("a backend's memory of how ids ended", () => {
  const YEAR_MS = 365 * 24 * 3_600_000;

  test("is a whole number of milliseconds up to a year, from the grain of the store on", () => {
    checkEndMemory(0);
    checkEndMemory(YEAR_MS);
    checkEndMemory(1000, 1000);
  });

  test.each([-1, 0.5, YEAR_MS + 1, Number.NaN, "60000", null])("refuses %o", (endMemoryMs) => {
    expectInvalid("endMemoryMs", () => checkEndMemory(endMemoryMs));
    expectInvalid("endMemoryMs", () => memoryBackend({ endMemoryMs: (endMemoryMs ?? Number.NaN) as number }));
  });

  test("refuses less than the grain of the store", () => {
    expectInvalid("endMemoryMs", () => checkEndMemory(999, 1000));
  });
});
