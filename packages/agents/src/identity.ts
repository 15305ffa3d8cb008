/** Who claims: one name for all that one agent does, found without a flag. */
import { hash } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { LeaseError, MAX } from "@lease/core";
import { KNOWN_AGENTS } from "./known-agents.js";
import { ancestry, processId, thisSystem } from "./system/system.js";
import type { ProcessFacts, System } from "./system/types.js";

/** A session of a coding agent. */
export interface AgentSession {
  /** `claude`, `codex` … */
  readonly product: string;
  readonly session: string;
  /** The sub-agent, where the session has several. */
  readonly child?: string | undefined;
}

/** How an identity was found, in the order in which it is looked for. */
export type IdentitySource = "LEASE_AGENT" | "surface" | "environment" | "session" | "terminal" | "process";

/** An agent's name, and how it was found. */
export interface Identity {
  readonly agentId: string;
  readonly source: IdentitySource;
}

/** What an identity is found from. */
export interface IdentityOptions {
  /** What the caller knows itself, as a hook does from its payload. */
  readonly surface?: AgentSession | undefined;
  /** The agent of a process that is registered as a session, if it is one. */
  readonly sessionOf?: ((process: ProcessFacts) => string | undefined) | undefined;
  /** Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: this process. */
  readonly pid?: number;
  /** Default: that of the machine. Left alone where the environment says who it is. */
  readonly system?: System;
  /** Default: the machine's name. */
  readonly host?: string;
}

/**
 * Finds who this process acts for. The first of these that says something:
 *
 * 1. `LEASE_AGENT` of the environment
 * 2. `surface`: what the caller knows
 * 3. the environment that a known coding agent gives its programs. Where there are several, one was started by another:
 *    the nearest ancestor that is a registered session decides, else the first of {@link KNOWN_AGENTS}
 * 4. the nearest ancestor that is a registered session
 * 5. the leader of the terminal's session, by its process: two commands of one shell are one agent
 *
 * @throws `INVALID_ARGUMENT` for a `LEASE_AGENT` that no agent can be called; `BACKEND_INCOMPATIBLE` where processes must
 * be looked at and the system is not known
 */
export function findIdentity(options: IdentityOptions = {}): Identity {
  const { surface, env = process.env, host = hostname(), pid = process.pid } = options;
  const named = env.LEASE_AGENT;
  if (named !== undefined && named !== "") return { agentId: checkedName(named), source: "LEASE_AGENT" };
  if (surface !== undefined) return { agentId: sessionName(surface, host), source: "surface" };

  const known = sessionsIn(env).map((session) => sessionName(session, host));
  if (known.length === 1) return { agentId: known[0] as string, source: "environment" };
  const system = options.system ?? thisSystem();
  const registered = nearestSession(system, pid, options.sessionOf);
  if (registered !== undefined) return { agentId: registered, source: "session" };
  if (known.length > 1) return { agentId: known[0] as string, source: "environment" };
  return leaderOf(system, pid, host);
}

/** `claude:3b10ffd6-…/a7bb03ff…@box`: the name of a coding agent's session, or of a sub-agent of it. */
export function sessionName({ product, session, child }: AgentSession, host: string = hostname()): string {
  return checkedName(`${product}:${session}${child === undefined ? "" : `/${child}`}@${host}`);
}

/** An agent's name for people: ids cut to eight characters, and without the host of a coding agent. */
export function shortAgent(agentId: string): string {
  const session = /^([a-z]+):([\w.-]+)(?:\/([\w.-]+))?@[^@]*$/.exec(agentId);
  if (session !== null && !PEOPLE.includes(session[1] as string)) {
    const [, product, id = "", child] = session;
    return `${product}:${id.slice(0, 8)}${child === undefined ? "" : `/${child.slice(0, 8)}`}`;
  }
  return agentId.replace(/^((?:human|script):[^@]+@[^:]+):.*$/, "$1");
}

const PEOPLE = ["human", "script"];

function sessionsIn(env: Readonly<Record<string, string | undefined>>): AgentSession[] {
  return KNOWN_AGENTS.flatMap(({ product, variable }) => {
    const session = env[variable];
    // Whatever else stands there is no session's id.
    return session !== undefined && /^[\w.-]{1,128}$/.test(session) ? [{ product, session }] : [];
  });
}

function nearestSession(
  system: System,
  pid: number,
  sessionOf: IdentityOptions["sessionOf"],
): string | undefined {
  if (sessionOf === undefined) return undefined;
  for (const facts of ancestry(system, pid)) {
    const agentId = sessionOf(facts);
    if (agentId !== undefined) return agentId;
  }
  return undefined;
}

/** Of a session without a terminal (a timer, a build server) the leader is a program, and no person. */
function leaderOf(system: System, pid: number, host: string): Identity {
  const self = system.process(pid);
  const leader = self && processId(system, self.session);
  // In a container the leader may be outside of it, and is then not to be seen: the process itself has to do.
  const id = leader ?? processId(system, pid);
  const mark = hash("sha256", JSON.stringify(id ?? pid), "hex").slice(0, 8);
  const tty = self?.tty ?? null;
  const kind = tty === null ? "script" : "human";
  const place = tty === null ? mark : `${tty}-${mark}`;
  const agentId = checkedName(`${kind}:${userName()}@${host}:${place}`);
  return { agentId, source: leader === null ? "process" : "terminal" };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id that has no entry, as containers often have.
    return String(process.getuid?.() ?? "unknown");
  }
}

function checkedName(name: string): string {
  const bytes = Buffer.byteLength(name);
  if (bytes <= MAX.agentIdBytes && name.isWellFormed() && !/\p{Cc}/u.test(name)) return name;
  const problem = `must be a name of 1 to ${MAX.agentIdBytes} bytes without control characters`;
  throw new LeaseError("INVALID_ARGUMENT", `agentId ${problem}: set LEASE_AGENT to one`, {
    field: "agentId",
  });
}
