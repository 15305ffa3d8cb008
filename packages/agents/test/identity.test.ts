/** Who a process acts for: in the order that is documented, over processes that are made up. */
import { isLeaseError } from "@lease/core";
import { expect, test } from "vitest";
import {
  findIdentity,
  type IdentityOptions,
  KNOWN_AGENTS,
  type ProcessFacts,
  type System,
  sessionName,
  shortAgent,
} from "../src/index.js";

const CLAUDE = { CLAUDE_CODE_SESSION_ID: "3b10ffd6-1111" };
const CODEX = { CODEX_THREAD_ID: "01a21a39-2222" };

/** A shell (100) that leads its session on a terminal, an agent (200) that it started, and a command (300) of that. */
function world(changes: Partial<Record<number, Partial<ProcessFacts> | null>> = {}): System {
  const shell: ProcessFacts = {
    pid: 100,
    parent: 1,
    group: 100,
    session: 100,
    tty: "pts3",
    startTime: "7",
  };
  const processes = new Map<number, ProcessFacts>([
    [100, shell],
    [200, { ...shell, pid: 200, parent: 100, group: 200, startTime: "8" }],
    [300, { ...shell, pid: 300, parent: 200, group: 200, startTime: "9" }],
  ]);
  for (const [pid, change] of Object.entries(changes)) {
    const facts = processes.get(Number(pid)) ?? { ...shell, pid: Number(pid) };
    if (change === null) processes.delete(Number(pid));
    else processes.set(Number(pid), { ...facts, ...change });
  }
  return {
    process: (pid) => processes.get(pid) ?? null,
    bootId: () => "boot-1",
    pidNamespace: () => "pid:[1]",
  };
}

function find(options: IdentityOptions = {}) {
  return findIdentity({ env: {}, pid: 300, host: "box", system: world(), ...options });
}

const registered = (pid: number, agentId: string) => (facts: ProcessFacts) =>
  facts.pid === pid ? agentId : undefined;

test("LEASE_AGENT goes before everything", () => {
  const env = { ...CLAUDE, LEASE_AGENT: "me" };
  const surface = { product: "codex", session: "x" };
  expect(find({ env, surface, sessionOf: registered(200, "other") })).toEqual({
    agentId: "me",
    source: "LEASE_AGENT",
  });
});

test("an empty LEASE_AGENT says nothing", () => {
  expect(find({ env: { LEASE_AGENT: "" } }).source).toBe("terminal");
});

test.each(["a\nb", "x".repeat(257), "ü".repeat(129), "\ud83d"])(
  "the LEASE_AGENT %j is refused before anything is asked of a store",
  (name) => {
    try {
      find({ env: { LEASE_AGENT: name } });
      expect.unreachable();
    } catch (error) {
      if (!isLeaseError(error, "INVALID_ARGUMENT")) throw error;
      expect(error.details.field).toBe("agentId");
      expect(error.message).toContain("LEASE_AGENT");
    }
  },
);

test("what the surface knows goes before the environment, with a sub-agent's name", () => {
  const surface = { product: "claude", session: "s1", child: "a7bb03ff" };
  expect(find({ env: CODEX, surface })).toEqual({ agentId: "claude:s1/a7bb03ff@box", source: "surface" });
});

test.each(KNOWN_AGENTS)("the environment of $product names its session", ({ product, variable }) => {
  const env = { [variable]: "3b10ffd6-1111" };
  const none = { process: () => null, bootId: () => "", pidNamespace: () => null };
  expect(find({ env, system: none })).toEqual({
    agentId: `${product}:3b10ffd6-1111@box`,
    source: "environment",
  });
});

test("what is no session's id in such a variable is passed over", () => {
  for (const CODEX_THREAD_ID of ["", "a b", "x/y", "x".repeat(129)]) {
    expect(find({ env: { CODEX_THREAD_ID } }).source).toBe("terminal");
  }
});

test("one agent started by another: the nearest registered ancestor decides, else the first known", () => {
  const env = { ...CLAUDE, ...CODEX };
  const codex = "codex:01a21a39-2222@box";
  expect(find({ env, sessionOf: registered(200, codex) })).toEqual({ agentId: codex, source: "session" });
  expect(find({ env })).toEqual({ agentId: "claude:3b10ffd6-1111@box", source: "environment" });
});

test("the nearest ancestor that is a session, not one further up", () => {
  const sessionOf = ({ pid }: ProcessFacts) => ({ 100: "outer", 200: "inner" })[pid];
  expect(find({ sessionOf })).toEqual({ agentId: "inner", source: "session" });
  expect(find({ sessionOf: registered(100, "outer") }).agentId).toBe("outer");
});

test("two commands of one shell are one agent; another shell, boot or container is another", () => {
  const one = find();
  expect(one.agentId).toMatch(/^human:[^@]+@box:pts3-[0-9a-f]{8}$/);
  expect(one.source).toBe("terminal");
  expect(find({ pid: 200 })).toEqual(one);
  expect(find({ pid: 100 })).toEqual(one);
  const others = [
    // The terminal's name and the pid were given again.
    find({ system: world({ 100: { startTime: "70" } }) }),
    find({ system: { ...world(), bootId: () => "boot-2" } }),
    find({ system: { ...world(), pidNamespace: () => "pid:[2]" } }),
  ];
  expect(new Set([one, ...others].map(({ agentId }) => agentId)).size).toBe(4);
});

test("without a terminal it is a script, and no person", () => {
  const system = world({ 300: { tty: null } });
  expect(find({ system }).agentId).toMatch(/^script:[^@]+@box:[0-9a-f]{8}$/);
});

test("a leader that is not to be seen: the process itself", () => {
  const system = world({ 300: { session: 0 } });
  expect(find({ system }).source).toBe("process");
  expect(find({ system, pid: 9_999 }).agentId).toMatch(/^script:/);
});

test("parents in a circle are looked at for a while, and no longer", () => {
  const system = world({ 100: { parent: 300 } });
  expect(find({ system, sessionOf: () => undefined }).source).toBe("terminal");
});

test.each([
  ["claude:3b10ffd6-aaaa-bbbb@box", "claude:3b10ffd6"],
  ["claude:3b10ffd6-aaaa/a7bb03ff99@box", "claude:3b10ffd6/a7bb03ff"],
  ["human:ada@box:pts3-9f3c21ab", "human:ada@box"],
  ["script:ada@box:9f3c21ab", "script:ada@box"],
  ["agent-7", "agent-7"],
  ["a@b@c", "a@b@c"],
])("for people %s is %s", (agentId, shown) => {
  expect(shortAgent(agentId)).toBe(shown);
});

test("a session's name takes the host of this machine unless one is given", () => {
  expect(sessionName({ product: "gemini", session: "1" })).toMatch(/^gemini:1@.+$/);
});
