/**
 * Wrong copies of the memory store, each by one change of one line: a suite that does not notice them holds nothing.
 * They are made from the source, so that they are the real store but for the fault.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MemoryStore, memoryBackend } from "@lease/core";
import { afterAll } from "vitest";

const memory = new URL("../../core/src/memory/", import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "lease-mutants-"));
// Not at the process's exit: a worker of the test runner may be ended without one.
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Mutant {
  readonly name: string;
  /** The scenario in which the explorer finds it; `null`: its clients do nothing by which it shows. */
  readonly exploredIn: string | null;
  readonly from: string;
  readonly to: string;
}

/** `MemoryStore` with the fault. */
export async function mutantStore(mutant: Mutant): Promise<typeof MemoryStore> {
  return ((await import(/* @vite-ignore */ storeFile(mutant))) as { MemoryStore: typeof MemoryStore })
    .MemoryStore;
}

/** `memoryBackend` on that store. */
export async function mutantBackend(mutant: Mutant): Promise<typeof memoryBackend> {
  const module = copyOf("memory.ts", mutant.name, (text) =>
    replacedOnce(text, 'from "./memory-store.js"', `from "${storeFile(mutant)}"`),
  );
  return ((await import(/* @vite-ignore */ module)) as { memoryBackend: typeof memoryBackend }).memoryBackend;
}

function storeFile(mutant: Mutant): string {
  return copyOf("memory-store.ts", mutant.name, (text) => replacedOnce(text, mutant.from, mutant.to));
}

/** A changed copy of a module of core, whose other imports are still core's own. */
function copyOf(module: string, name: string, change: (text: string) => string): string {
  const text = change(readFileSync(new URL(module, memory), "utf8"));
  const file = join(folder, `${name.replaceAll(/\W+/g, "-")}-${module}`);
  const moved = text.replace(
    /from "(\..*)\.js"/g,
    (_, other) => `from "${new URL(`${other}.ts`, memory).pathname}"`,
  );
  writeFileSync(file, moved);
  return file;
}

function replacedOnce(text: string, from: string, to: string): string {
  if (text.split(from).length === 2) return text.replace(from, () => to);
  throw new Error(`This must stand in the source exactly once, or the mutant must be adapted: ${from}`);
}

/** Each breaks one promise of the contract. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "extends a lease when its acquire is repeated",
    exploredIn: "asking again",
    from: 'return { status: "granted", lease: leaseOf(existing, at), repeated: true };',
    to: '{ existing.expires = at.now + existing.ttlMs; return { status: "granted", lease: leaseOf(existing, at), repeated: true }; }',
  },
  {
    name: "shortens a lease by a shorter renewal",
    exploredIn: "renewals",
    from: "lease.expires = Math.max(lease.expires, at.now + (request.ttlMs ?? lease.ttlMs));",
    to: "lease.expires = at.now + (request.ttlMs ?? lease.ttlMs);",
  },
  {
    name: "extends a lease when a counted renewal is repeated",
    exploredIn: "messages delivered twice",
    from: "if (renewal > lease.renewals) {",
    to: "if (renewal >= lease.renewals) {",
  },
  {
    name: "does not know a limit of renewals",
    exploredIn: "renewals",
    from: "if (lease.maxRenewals !== null && renewal > lease.maxRenewals) {",
    to: "if (lease.maxRenewals === -1) {",
  },
  {
    name: "renews what ran out",
    exploredIn: "two waiters",
    from: "if (lease === undefined || isLive(lease, at.now)) return lease;",
    to: "return lease;",
  },
  {
    name: "gives a token again when its lease is gone",
    exploredIn: "two waiters",
    from: "this.#lastToken = mintToken(this.#lastToken, at.wallNow);",
    to: "this.#lastToken = mintToken(Math.max(0, ...[...this.#leases.values()].map((one) => one.token)), 0);",
  },
  {
    name: "forgets every end at once",
    exploredIn: "two waiters",
    from: "forgetAt: at.now + this.#endMemoryMs,",
    to: "forgetAt: at.now,",
  },
  {
    name: "remembers what expired and not what was revoked",
    exploredIn: "revokes",
    from: 'if (end === "expired" || end === "revoked")',
    to: 'if (end === "expired")',
  },
  {
    name: "forgets an abandoned id that it never saw",
    exploredIn: "two waiters",
    from: 'this.#bury(tombstone ?? { ...request, end: "cancelled" }, request.id, at);',
    to: "if (tombstone !== undefined) this.#bury(tombstone, request.id, at);",
  },
  {
    name: "forgets an abandoned id that it knew",
    exploredIn: "asking again",
    from: 'if (request.kind === "abandon") this.#bury({ ...request, end }, request.id, at);',
    to: "",
  },
  {
    name: "grants past who came earlier and waits",
    exploredIn: "a second life",
    from: "const blockers = blockersOf(asking, this.#leases.values(), at.now);",
    to: 'const blockers = blockersOf(asking, [...this.#leases.values()].filter((one) => one.state === "active"), at.now);',
  },
  {
    name: "looks only at active leases and forgets its own place in line",
    exploredIn: "two waiters",
    from: "const asking = existing ?? { token: Number.POSITIVE_INFINITY, claims: request.claims };",
    to: "const asking = { token: Number.POSITIVE_INFINITY, claims: request.claims };",
  },
  {
    name: "grants without first recording the end of what it passes",
    exploredIn: "two waiters",
    from: "this.#expireDeadInTheWay(request.claims, at);",
    to: "",
  },
  {
    name: "ends a lease at once when it is asked back softly",
    exploredIn: "revokes",
    from: 'if (lease.state === "pending" || request.graceMs === 0) {',
    to: "if (request.graceMs >= 0) {",
  },
  {
    name: "lets a waiter die though it asks again",
    exploredIn: null,
    from: "lease.expires = at.now + request.waitTtlMs;",
    to: "if (existing === undefined) lease.expires = at.now + request.waitTtlMs;",
  },
  {
    name: "renews a request in line",
    exploredIn: null,
    from: 'if (lease.state === "pending") return { status: "pending" };',
    to: "",
  },
  {
    name: "goes on renewing when the grace of a soft revoke is over",
    exploredIn: null,
    from: "if (lease.revoking !== null && at.now >= lease.revoking.refusedFrom) {",
    to: "if (lease.revoking !== null && at.now < 0) {",
  },
  {
    name: "lets anybody renew",
    exploredIn: null,
    from: 'if (!owns(request, lease)) return { status: "not-owner" };\n    if (lease.state === "pending")',
    to: 'if (lease.state === "pending")',
  },
  {
    name: "lets anybody release",
    exploredIn: null,
    from: 'if (!owns(request, lease)) return { status: "not-owner" };\n    const end',
    to: "const end",
  },
  {
    name: "lists what ran out",
    exploredIn: null,
    from: ".filter((lease) => isLive(lease, at.now) && lease.token > start.token)",
    to: ".filter((lease) => lease.token > start.token)",
  },
  {
    name: "lists as of a moment that is still to come",
    exploredIn: null,
    from: "const cursor = start.cursor ?? formatCursor(this.#epoch, this.#lastSequence);",
    to: "const cursor = start.cursor ?? formatCursor(this.#epoch, this.#lastSequence + 1);",
  },
  {
    name: "lists as of the beginning",
    exploredIn: null,
    from: "const cursor = start.cursor ?? formatCursor(this.#epoch, this.#lastSequence);",
    to: "const cursor = start.cursor ?? formatCursor(this.#epoch, this.#prunedThrough);",
  },
  {
    name: "gives each page of a listing a cursor of its own",
    exploredIn: null,
    from: "const cursor = start.cursor ?? formatCursor(this.#epoch, this.#lastSequence);",
    to: "const cursor = formatCursor(this.#epoch, this.#lastSequence);",
  },
];
