/**
 * Whether a pending request's turn has come. Asked for every waiter after every step that could matter, so a lease in
 * the way is remembered for each, and first it is asked whether that one still lives: in a queue of two hundred, one
 * release then costs one thorough check.
 */
import type { Claim } from "@lease/core";
import type { TurnCheck } from "@lease/core/backend";
import { ACTIVE, decode, idKey } from "./codec.js";
import { conflicting } from "./conflicts.js";
import type { Statements } from "./statements.js";

interface Waiter {
  readonly token: number;
  readonly claims: readonly Claim[];
  /** Id of a lease that was in the way at the last check, as `idKey` writes it; empty before the first. */
  blocker: string;
}

const REACHED: TurnCheck = Object.freeze({ reached: true, checkAgainAt: 0 });

export class TurnChecks {
  readonly #statements: Statements;
  readonly #waiters = new Map<string, Waiter>();

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  check(id: string, now: number): TurnCheck {
    const own = this.#statements.lease.get(idKey(id));
    if (own === undefined || own.state === ACTIVE || now >= own.expires) return REACHED;
    let waiter = this.#waiters.get(id);
    if (waiter?.token !== own.token) {
      waiter = { token: own.token, claims: decode(own, id).claims, blocker: "" };
      this.#waiters.set(id, waiter);
    }
    const until = this.#blockedUntil(waiter, now);
    return until === undefined ? REACHED : { reached: false, checkAgainAt: Math.min(own.expires, until) };
  }

  /** Called when no call waits with this id any more. */
  forget(id: string): void {
    this.#waiters.delete(id);
  }

  /** When the remembered blocker expires, or else another one; `undefined` when there is none. */
  #blockedUntil(waiter: Waiter, now: number): number | undefined {
    const remembered = this.#statements.expiresOf.get(waiter.blocker);
    if (remembered !== undefined && now < remembered) return remembered;
    // The nearest before it: usually the last of them to end, so that it stays the one that is remembered.
    for (const { token, key } of conflicting(this.#statements, waiter.claims, true).reverse()) {
      const expires = token < waiter.token ? this.#statements.expiresOf.get(key) : undefined;
      if (expires === undefined || now >= expires) continue;
      waiter.blocker = key;
      return expires;
    }
    return undefined;
  }
}
