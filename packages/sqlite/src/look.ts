/**
 * Whether a pending request's turn has come. Asked for every waiter after every step that could matter, so each look
 * remembers one lease in its way and first asks whether that still lives: in a line of two hundred, one release
 * then costs one thorough look.
 */
import type { Claim } from "@lease/core";
import type { TurnLook } from "@lease/core/backend";
import { ACTIVE, decode, idKey } from "./codec.js";
import { conflictingHolders } from "./conflicts.js";
import type { Statements } from "./statements.js";

interface Known {
  readonly token: number;
  readonly claims: readonly Claim[];
  /** A lease that stood in the way at the last look, by its id as `idKey` writes it. */
  blocker: string;
}

export class Looker {
  readonly #statements: Statements;
  readonly #known = new Map<string, Known>();

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  look(id: string, now: number): TurnLook {
    const own = this.#statements.lease.get(idKey(id));
    if (own === undefined || own.state === ACTIVE || now >= own.expires) return REACHED;
    let known = this.#known.get(id);
    if (known?.token !== own.token) {
      known = { token: own.token, claims: decode(own, id).claims, blocker: NOBODY };
      this.#known.set(id, known);
    }
    const blockerExpires = this.#blockerExpires(known, now);
    if (blockerExpires === undefined) return REACHED;
    return { reached: false, lookAgainAt: Math.min(own.expires, blockerExpires) };
  }

  /** Called when nobody waits with this id any more. */
  forget(id: string): void {
    this.#known.delete(id);
  }

  /** When the remembered blocker ends by itself, or else that of another; `undefined` when nobody is in the way. */
  #blockerExpires(known: Known, now: number): number | undefined {
    const expires = this.#statements.expiresOf.get(known.blocker);
    if (expires !== undefined && now < expires) return expires;
    // The nearest in line: it is usually the last of them to go, so it need not be looked for again soon.
    for (const holder of conflictingHolders(this.#statements, known.claims, true).reverse()) {
      if (holder.token >= known.token) continue;
      const found = this.#statements.expiresOf.get(holder.key);
      if (found === undefined || now >= found) continue;
      known.blocker = holder.key;
      return found;
    }
    return undefined;
  }
}

const NOBODY = "";
const REACHED: TurnLook = Object.freeze({ reached: true, lookAgainAt: 0 });
