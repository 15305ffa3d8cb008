/** What the parent and its processes tell each other. Times are on the clock that all processes of a machine share. */
import type { Place, Seat } from "../frame/contender.js";

/** What a process opens before it begins. */
export interface OpenTask {
  /** The contender's name. */
  readonly contender: string;
  readonly place: Place;
  readonly seat: Seat;
}

/** A line: those who wait for one resource, each again and again. */
export interface LineTask extends OpenTask {
  readonly resource: string;
  /** How many stand in line in this process. */
  readonly waiters: number;
  readonly forMs: number;
}

/** When it asked, when it had it, when it began to give it back; null where the end came before. */
export type Turn = readonly [
  caller: number,
  askedAt: number,
  grantedAt: number | null,
  releasedAt: number | null,
];

export interface LineReport {
  readonly turns: readonly Turn[];
  readonly cpuUs: number;
}

/** By name, what a process can be told to do, and what it answers. */
export interface Orders {
  open: { order: OpenTask; answer: null };
  /** Stand in line until it is over. */
  line: { order: LineTask; answer: LineReport };
  /** Ask for a resource, and tell when it came. */
  ask: { order: string; answer: { readonly at: number } };
  /** Give it back, and tell when that began. */
  release: { order: null; answer: { readonly at: number } };
}

export type Order = keyof Orders;

export interface Told {
  readonly number: number;
  readonly order: Order;
  readonly with: unknown;
}

export type Answered =
  | { readonly number: number; readonly answer: unknown }
  | { readonly number: number; readonly failed: string };

export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
