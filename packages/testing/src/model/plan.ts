/**
 * What a run of the model test does, as plain data: it prints, it shrinks, and it can be pasted into a test. Ids,
 * agents and spans of time are named by small numbers and words; `run.ts` gives them their values.
 */
import type { Claim, Mode } from "@lease/core";
import type { WaitMode } from "@lease/core/backend";
import fc from "fast-check";

/** A span of time: `short` ends within a run, the others do not unless simulated time passes. */
export type Span = "short" | "middle" | "long";

/** One id, and what it is asked for. Repeats of an acquire say the same unless an action says otherwise. */
export interface Slot {
  readonly agent: number;
  readonly claims: readonly Claim[];
  readonly ttl: Span;
  readonly maxRenewals: number | null;
  readonly reason: string | null;
}

export interface RenewStep {
  readonly slot: number;
  readonly token: "right" | "wrong" | "none";
  readonly ttl: Span | null;
  /** `next` counts, `same` repeats the last one counted, `skip` leaves one out, `none` gives no count. */
  readonly renewal: "next" | "same" | "skip" | "none";
  readonly byStranger: boolean;
}

export interface ReleaseStep {
  readonly slot: number;
  readonly kind: "release" | "abandon" | "revoke" | "soft revoke";
  readonly token: "right" | "wrong" | "none";
  readonly grace: Span;
  readonly byStranger: boolean;
}

export type Action =
  | {
      readonly do: "acquire";
      readonly slot: number;
      readonly wait: WaitMode;
      readonly waitTtl: Span;
      readonly byStranger: boolean;
      readonly otherClaims: boolean;
    }
  | { readonly do: "renew"; readonly steps: readonly RenewStep[] }
  | { readonly do: "release"; readonly steps: readonly ReleaseStep[] }
  | {
      readonly do: "list";
      readonly agent: number | null;
      readonly resource: string | null;
      readonly limit: number;
    }
  | { readonly do: "turn"; readonly slot: number }
  | { readonly do: "sweep"; readonly limit: number | null }
  | { readonly do: "pass"; readonly ms: number };

/** A story for the model test: what each client does, in order. */
export interface Plan {
  readonly slots: readonly Slot[];
  /** Each with the client that does it. */
  readonly actions: readonly (Action & { readonly client: number })[];
}

export const CLIENTS = 3;
const AGENTS = 3;
const SLOTS = 8;
/** Few names, all of them in each other's way in one mode or another. */
const RESOURCES = ["a", "a/b", "a/b/c", "a/**", "a/b/**", "d", "**"];

const slotIndex = fc.nat({ max: SLOTS - 1 });
const span = fc.constantFrom<Span>("short", "middle", "long");
const claim = fc.record({
  resource: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...RESOURCES.slice(0, -1)) },
    { weight: 1, arbitrary: fc.constant("**") },
  ),
  mode: fc.constantFrom<Mode>("exclusive", "shared"),
});
const slot: fc.Arbitrary<Slot> = fc.record({
  agent: fc.nat({ max: AGENTS - 1 }),
  claims: fc.uniqueArray(claim, { minLength: 1, maxLength: 3, selector: ({ resource }) => resource }),
  ttl: span,
  maxRenewals: fc.constantFrom(null, null, 0, 1, 2),
  reason: fc.constantFrom(null, "tests"),
});
const rarely = fc.nat({ max: 11 }).map((n) => n === 0);
const token = fc.constantFrom<RenewStep["token"]>("right", "right", "right", "none", "wrong");

const renewStep: fc.Arbitrary<RenewStep> = fc.record({
  slot: slotIndex,
  token,
  ttl: fc.option(span),
  renewal: fc.constantFrom("next", "next", "same", "skip", "none"),
  byStranger: rarely,
});
const releaseStep: fc.Arbitrary<ReleaseStep> = fc.record({
  slot: slotIndex,
  kind: fc.constantFrom("release", "release", "abandon", "revoke", "soft revoke", "soft revoke"),
  token,
  grace: span,
  byStranger: rarely,
});

const acquire = fc.record({
  do: fc.constant("acquire" as const),
  slot: slotIndex,
  wait: fc.constantFrom<WaitMode>("queue", "hand-off", "no"),
  waitTtl: span,
  byStranger: rarely,
  otherClaims: rarely,
});
const others: fc.Arbitrary<Action>[] = [
  fc.record({
    do: fc.constant("renew" as const),
    steps: fc.array(renewStep, { minLength: 1, maxLength: 4 }),
  }),
  fc.record({
    do: fc.constant("release" as const),
    steps: fc.array(releaseStep, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    do: fc.constant("list" as const),
    agent: fc.option<number>(fc.nat({ max: AGENTS - 1 })),
    resource: fc.option<string>(fc.constantFrom(...RESOURCES)),
    limit: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({ do: fc.constant("turn" as const), slot: slotIndex }),
  fc.record({ do: fc.constant("sweep" as const), limit: fc.option<number>(fc.integer({ min: 1, max: 3 })) }),
];
const pass = fc.record({
  do: fc.constant("pass" as const),
  ms: fc.constantFrom(1, 500, 999, 1000, 1001, 3000),
});

/** Random plans; `withTime` also lets simulated time pass. */
export function planArbitrary(maxActions: number, withTime: boolean): fc.Arbitrary<Plan> {
  const action = fc.oneof(
    { weight: 8, arbitrary: acquire as fc.Arbitrary<Action> },
    ...others.map((arbitrary, index) => ({ weight: index < 2 ? 4 : 1, arbitrary })),
    ...(withTime ? [{ weight: 4, arbitrary: pass as fc.Arbitrary<Action> }] : []),
  );
  const byClient = fc
    .tuple(action, fc.nat({ max: CLIENTS - 1 }))
    .map(([what, client]): Plan["actions"][number] => ({ ...what, client }));
  return fc.record({
    slots: fc.array(slot, { minLength: SLOTS, maxLength: SLOTS }),
    actions: fc.array(byClient, { minLength: 1, maxLength: maxActions, size: "max" }),
  });
}
