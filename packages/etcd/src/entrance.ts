/**
 * The order in which the requests of this process enter the queue. Sent side by side, etcd takes them in any order; so
 * one that is in the way of another is answered before the other is sent.
 */
import type { Claim } from "@lease/core";
import { inTheWay } from "./keys.js";

/** While etcd does not answer, none waits longer than this for those before it. */
const MAX_WAIT_MS = 1000;

export class Entrance {
  readonly #entering = new Set<Place>();

  /** A place behind all that were taken before and not left yet. */
  take(claims: readonly Claim[]): Place {
    const before: Promise<void>[] = [];
    for (const other of this.#entering) {
      if (other.claims.some((claim) => inTheWay(claims, claim))) before.push(other.left);
    }
    let leave = () => {};
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const place: Place = {
      claims,
      left,
      turn: before.length === 0 ? null : allWithin(before, MAX_WAIT_MS),
      leave: () => {
        this.#entering.delete(place);
        leave();
      },
    };
    this.#entering.add(place);
    return place;
  }
}

interface Place {
  readonly claims: readonly Claim[];
  /** Resolves when those before it that are in its way have left; `null` where none are. */
  readonly turn: Promise<void> | null;
  readonly left: Promise<void>;
  /** The request has entered, or is given up. */
  readonly leave: () => void;
}

function allWithin(all: readonly Promise<void>[], ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    void Promise.all(all).then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
