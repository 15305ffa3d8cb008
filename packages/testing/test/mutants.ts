/**
 * Wrong copies of the contract's program, each by one change of one line: a suite that does not notice them holds
 * nothing. They are made from the source, so that they are the real store but for the fault.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { memoryBackend } from "@lease/core";
import type { MemoryStore } from "@lease/core/backend";
import { afterAll } from "vitest";

const core = new URL("../../core/src/", import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "lease-mutants-"));
// Not at the process's exit: a worker of the test runner may be ended without one.
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What is copied for each mutant: the modules that a fault can be in, and those that import them. */
const COPIED = ["backend/steps", "backend/page", "memory/memory-store", "memory/memory"] as const;

interface Mutant {
  readonly name: string;
  /** The scenario in which the explorer finds it; `null`: its clients do nothing by which it shows. */
  readonly exploredIn: string | null;
  readonly in?: (typeof COPIED)[number];
  readonly from: string;
  readonly to: string;
}

/** `MemoryStore` with the fault. */
export async function mutantStore(mutant: Mutant): Promise<typeof MemoryStore> {
  const module = await import(/* @vite-ignore */ copyFor(mutant, "memory/memory-store"));
  return (module as { MemoryStore: typeof MemoryStore }).MemoryStore;
}

/** `memoryBackend` on that store. */
export async function mutantBackend(mutant: Mutant): Promise<typeof memoryBackend> {
  const module = await import(/* @vite-ignore */ copyFor(mutant, "memory/memory"));
  return (module as { memoryBackend: typeof memoryBackend }).memoryBackend;
}

/** Copies of all that may be wrong, which import each other; whatever else they import is core's own. */
function copyFor(mutant: Mutant, wanted: (typeof COPIED)[number]): string {
  const fileOf = (module: string) =>
    join(folder, `${mutant.name.replaceAll(/\W+/g, "-")}-${module.replace("/", "-")}.ts`);
  for (const module of COPIED) {
    const source = new URL(`${module}.ts`, core);
    const text = readFileSync(source, "utf8");
    const faulty =
      module === (mutant.in ?? "backend/steps") ? replacedOnce(text, mutant.from, mutant.to) : text;
    const moved = faulty.replace(/from "(\..*)\.js"/g, (_, other) => {
      const { pathname } = new URL(`${other}.ts`, source);
      const copied = COPIED.find((each) => pathname.endsWith(`/core/src/${each}.ts`));
      return `from "${copied === undefined ? pathname : fileOf(copied)}"`;
    });
    writeFileSync(fileOf(module), moved);
  }
  return fileOf(wanted);
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
    from: 'return { status: "granted", lease: this.#held(existing), repeated: true };',
    to: 'this.#ledger.extend(existing, existing.ttlMs); return { status: "granted", lease: this.#held(existing), repeated: true };',
  },
  {
    name: "shortens a lease by a shorter renewal",
    exploredIn: "renewals",
    from: "Math.max(this.#ledger.blocksMs(lease), request.ttlMs ?? lease.ttlMs)",
    to: "request.ttlMs ?? lease.ttlMs",
  },
  {
    name: "extends a lease when a counted renewal is repeated",
    exploredIn: "messages delivered twice",
    from: "if (renewal < next) return",
    to: "if (renewal < next - 1) return",
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
    from: "if (lease === undefined || !this.#ledger.isOver(lease)) return lease;",
    to: "return lease;",
  },
  {
    name: "gives a token again when its lease is gone",
    exploredIn: "two waiters",
    in: "memory/memory-store",
    from: "this.#lastToken = mintToken(this.#lastToken, this.at.wallNow);",
    to: "this.#lastToken = mintToken(Math.max(0, ...[...this.#leases.values()].map((one) => one.token)), 0);",
  },
  {
    name: "forgets every end at once",
    exploredIn: "two waiters",
    in: "memory/memory-store",
    from: "forgetAt: this.at.now + this.#endMemoryMs",
    to: "forgetAt: this.at.now",
  },
  {
    name: "remembers what expired and not what was revoked",
    exploredIn: "revokes",
    from: 'if (how === "expired" || how === "revoked") {',
    to: 'if (how === "expired") {',
  },
  {
    name: "forgets an abandoned id that it never saw",
    exploredIn: "two waiters",
    from: 'this.#ledger.bury(request.id, ended ?? { agentId: request.agentId, end: "cancelled", ...NO_ACT });',
    to: "if (ended !== undefined) this.#ledger.bury(request.id, ended);",
  },
  {
    name: "forgets an abandoned id that it knew",
    exploredIn: "asking again",
    from: "this.#ledger.bury(request.id, { agentId: request.agentId, end: status, ...NO_ACT });",
    to: "",
  },
  {
    name: "grants past who came earlier and waits",
    exploredIn: "a second life",
    from: "else if (rival.token < token) {",
    to: 'else if (rival.token < token && this.#ledger.read(rival).state === "active") {',
  },
  {
    name: "looks only at active leases and forgets that it is queued itself",
    exploredIn: "two waiters",
    from: "existing?.token ?? Number.POSITIVE_INFINITY",
    to: "Number.POSITIVE_INFINITY",
  },
  {
    name: "grants without first recording the end of what it passes",
    exploredIn: "two waiters",
    from: "    for (const rival of over) this.expire(this.#ledger.read(rival));\n",
    to: "",
  },
  {
    name: "ends a lease at once when it is asked back softly",
    exploredIn: "revokes",
    from: 'if (lease.state === "pending" || graceMs === 0) {',
    to: "if (graceMs >= 0) {",
  },
  {
    name: "lets a waiter die though it asks again",
    exploredIn: null,
    from: "    this.#ledger.extend(existing, request.waitTtlMs);\n",
    to: "",
  },
  {
    name: "renews a queued request",
    exploredIn: null,
    from: 'if (lease.state === "pending") return { status: "pending" };',
    to: "",
  },
  {
    name: "goes on renewing when the grace of a soft revoke is over",
    exploredIn: null,
    from: "if (revoking !== null && this.#ledger.at.now >= revoking.refusedFrom) {",
    to: "if (revoking !== null && this.#ledger.at.now < 0) {",
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
    from: 'if (!owns(request, lease)) return { status: "not-owner" };\n    const status',
    to: "const status",
  },
  {
    name: "lists what ran out",
    exploredIn: null,
    in: "memory/memory-store",
    from: "const live = [...this.#leases.values()].filter((lease) => !this.isOver(lease));",
    to: "const live = [...this.#leases.values()];",
  },
  {
    name: "lists as of a moment that is still to come",
    exploredIn: null,
    in: "memory/memory-store",
    from: "formatCursor(this.#epoch, this.#lastSequence), (lease)",
    to: "formatCursor(this.#epoch, this.#lastSequence + 1), (lease)",
  },
  {
    name: "lists as of the beginning",
    exploredIn: null,
    in: "memory/memory-store",
    from: "formatCursor(this.#epoch, this.#lastSequence), (lease)",
    to: "formatCursor(this.#epoch, this.#prunedThrough), (lease)",
  },
  {
    name: "gives each page of a listing a cursor of its own",
    exploredIn: null,
    in: "backend/page",
    from: "const cursor = start.cursor ?? end;",
    to: "const cursor = end;",
  },
  {
    name: "takes a count that skips as the next one",
    exploredIn: "renewals that count wrongly",
    from: 'if (renewal > next) return { status: "out-of-order", lease: this.#held(lease) };',
    to: "",
  },
  {
    name: "looks at the limit before the order of the counts",
    exploredIn: null,
    from: "const next = lease.renewals + 1;",
    to: 'if (request.renewal !== undefined && lease.maxRenewals !== null && request.renewal > lease.maxRenewals) return { status: "renewal-limit", maxRenewals: lease.maxRenewals };\n  const next = lease.renewals + 1;',
  },
  {
    name: "answers a repeated renewal as a new one",
    exploredIn: "renewals that count wrongly",
    from: "lease: this.#held(lease), repeated: true };\n    if (lease.maxRenewals",
    to: "lease: this.#held(lease), repeated: false };\n    if (lease.maxRenewals",
  },
];
