/**
 * Whether a pending request's turn has come. Asked for every waiter after every step that could matter, so each look
 * remembers one lease in its way and first asks whether that still lives: in a line of two hundred, one release
 * then costs one thorough look.
 */
import type { Claim, TurnLook } from "@lease/core";
import { ACTIVE, decode } from "./codec.js";
import { conflictingTokens } from "./conflicts.js";
import type { Statements } from "./statements.js";

interface Known {
  readonly token: number;
  readonly claims: readonly Claim[];
  /** Token of a lease that stood in the way at the last look. */
  blocker: number;
}

export class Looker {
  readonly #statements: Statements;
  readonly #known = new Map<string, Known>();

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  look(id: string, now: number): TurnLook {
    const known = this.#known.get(id) ?? this.#meet(id);
    if (known === undefined) return REACHED;
    const own = this.#statements.lease.get(known.token);
    if (own === undefined || own.state === ACTIVE || now >= own.expires) return REACHED;
    const blockerExpires = this.#blockerExpires(known, now);
    if (blockerExpires === undefined) return REACHED;
    return { reached: false, lookAgainAt: Math.min(own.expires, blockerExpires) };
  }

  /** Called when nobody waits with this id any more. */
  forget(id: string): void {
    this.#known.delete(id);
  }

  #meet(id: string): Known | undefined {
    const token = this.#statements.tokenOfId.get(id);
    const row = token === undefined ? undefined : this.#statements.lease.get(token);
    if (token === undefined || row === undefined) return undefined;
    const known = { token, claims: decode(row).claims, blocker: 0 };
    this.#known.set(id, known);
    return known;
  }

  /** When the remembered blocker ends by itself, or else that of another; `undefined` when nobody is in the way. */
  #blockerExpires(known: Known, now: number): number | undefined {
    const expires = this.#statements.expiresOf.get(known.blocker);
    if (expires !== undefined && now < expires) return expires;
    // The nearest in line: it is usually the last of them to go, so it need not be looked for again soon.
    for (const token of conflictingTokens(this.#statements, known.claims).reverse()) {
      if (token >= known.token) continue;
      const found = this.#statements.expiresOf.get(token);
      if (found === undefined || now >= found) continue;
      known.blocker = token;
      return found;
    }
    return undefined;
  }
}

const REACHED: TurnLook = Object.freeze({ reached: true, lookAgainAt: 0 });
