/**
 * Whether a pending request's turn has come. A lease in the way is remembered for each waiter: it is the one whose end
 * concerns the waiter, and first it is asked whether that one still lives. The nearest before it is usually the last of
 * them to end, so that it stays the one that is remembered.
 */
import type { Claim } from "@lease/core";
import type { TurnCheck } from "@lease/core/backend";
import { ACTIVE, decode, idKey, idText } from "./codec.js";
import { nearestBefore } from "./conflicts.js";
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
    if (until === undefined) return REACHED;
    const { blocker } = waiter;
    return { reached: false, checkAgainAt: Math.min(own.expires, until), blockedBy: idText(blocker) };
  }

  /** Called when no call waits with this id any more. */
  forget(id: string): void {
    this.#waiters.delete(id);
  }

  /** When a lease in its way expires: the remembered one, or else the nearest; `undefined` when there is none. */
  #blockedUntil(waiter: Waiter, now: number): number | undefined {
    const remembered = this.#statements.expiresOf.get(waiter.blocker);
    if (remembered !== undefined && now < remembered) return remembered;
    for (let { token } = waiter; ; ) {
      const nearest = nearestBefore(this.#statements, waiter.claims, token);
      if (nearest === undefined) return undefined;
      token = nearest.token;
      const expires = this.#statements.expiresOf.get(nearest.key);
      if (expires === undefined || now >= expires) continue;
      waiter.blocker = nearest.key;
      return expires;
    }
  }
}
