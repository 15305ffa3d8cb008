/** What the parent and its processes tell each other. Times are on the clock that all processes of a machine share. */
import type { Place, Seat } from "../frame/contender.js";

/** What a process opens before it begins. */
interface OpenTask {
  /** The contender's name. */
  readonly contender: string;
  readonly place: Place;
  readonly seat: Seat;
}

/** Those who want one resource, each again and again. */
export interface LineTask {
  readonly resource: string;
  /** How many stand in line in this process. */
  readonly waiters: number;
}

/** When it asked, when it had it, when it began to give it back; null where the end came before. */
export type Turn = readonly [
  caller: number,
  askedAt: number,
  grantedAt: number | null,
  releasedAt: number | null,
];

interface KeeperReport {
  /** Of each renewal, how much later than planned it was sent. */
  readonly lateMs: readonly number[];
  /** Since the beginning. */
  readonly lost: number;
  readonly cpuUs: number;
  readonly tookMs: number;
}

/** By name, what a process can be told to do, and what it answers. */
export interface Orders {
  open: { order: OpenTask; answer: null };
  /** Stand in line, until told to stop. */
  line: { order: LineTask; answer: null };
  /** Ask for nothing more, and tell of all turns, also those that are still waited for. */
  stop: { order: null; answer: readonly Turn[] };
  /** Ask for a resource, and tell when it came. */
  ask: { order: string; answer: { readonly at: number } };
  /** Hold so many leases, and renew them by yourself. */
  keep: { order: { readonly place: Place; readonly leases: number; readonly ttlMs: number }; answer: null };
  /** Tell how that has gone since the last report. */
  report: { order: null; answer: KeeperReport };
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
