/** Operations a second by so many callers, and what each costs: the sample of most scenarios. */
import { cpuOf, ownCpu } from "./cpu.js";
import type { Metric, Sample } from "./scenario.js";
import { quantile } from "./stats.js";
import type { Store } from "./stores.js";

export interface RateOptions {
  readonly callers: number;
  readonly roundMs: number;
  readonly store: Store;
  /** Of Redis, to count. */
  readonly sends?: readonly string[];
}

/** Says what a sample has in it. */
export function rateMetrics(operation: string): readonly Metric[] {
  return [
    { key: "rate", label: `${operation}/s`, better: "higher" },
    { key: "p50", label: "p50 ms", better: "lower", digits: 3 },
    { key: "p99", label: "p99 ms", better: "lower", digits: 3 },
    { key: "clientUs", label: "client CPU µs", better: "lower", digits: 1 },
    { key: "serverUs", label: "server CPU µs", better: "lower", digits: 1 },
    { key: "cpuUs", label: "CPU µs", better: "lower", digits: 1 },
    { key: "commands", label: "commands", better: "lower", digits: 2 },
  ];
}

/** Lets every caller do it again and again until the time is over. */
export async function rate(
  { callers, roundMs, store, sends = [] }: RateOptions,
  operation: (caller: number) => Promise<void>,
): Promise<Sample> {
  const taken: number[] = [];
  const server = async () => (store.pid === null ? null : cpuOf(store.pid));
  const [commandsBefore, serverBefore] = [await store.commands(sends), await server()];
  const clientBefore = ownCpu();
  const begun = performance.now();
  const until = begun + roundMs;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let now = performance.now(); now < until; ) {
        await operation(caller);
        const then = now;
        now = performance.now();
        taken.push(now - then);
      }
    }),
  );
  const seconds = (performance.now() - begun) / 1000;
  const client = ownCpu() - clientBefore;
  const [commandsAfter, serverAfter] = [await store.commands(sends), await server()];
  const count = taken.length;
  return {
    rate: count / seconds,
    p50: quantile(taken, 0.5),
    p99: quantile(taken, 0.99),
    clientUs: client / count,
    ...(serverBefore !== null && serverAfter !== null
      ? {
          serverUs: (serverAfter - serverBefore) / count,
          cpuUs: (client + serverAfter - serverBefore) / count,
        }
      : {}),
    ...(commandsBefore !== null && commandsAfter !== null
      ? { commands: (commandsAfter - commandsBefore) / count }
      : {}),
  };
}
