/**
 * What metrics cost: acquire + release on the memory backend, with 128 callers at once, with and without
 * `withMetrics`; then the same through managers, with and without `instrumentManager`. Rounds alternate, so that a
 * machine that slows down slows both, and the first of a pair changes every round; every ratio is that of one round.
 * Times are the processor's (`process.cpuUsage`): all the work is this one process's, and what else the machine does
 * does not count.
 *
 * `npm run bench -- metrics [rounds]`
 */
import {
  type AcquireRequest,
  createLeaseId,
  createLeaseManager,
  type LeaseBackend,
  type LeaseManager,
  memoryBackend,
} from "@lease/core";
import { instrumentManager, withMetrics } from "@lease/metrics";
import { Registry } from "prom-client";
import { median, spread } from "./stats.js";

const CONCURRENT = 128;
/** Pairs a round: short ones, and many, so that a collection of garbage falls into few of them. */
const PAIRS = 2_000;

export async function metrics(args: readonly string[]): Promise<void> {
  const rounds = Number(args[0] ?? 101);
  console.log(
    `acquire + release on memory, ${CONCURRENT} at once, ${rounds} rounds of ${PAIRS} pairs, Node ${process.version}\n`,
  );
  console.log("through    plain pairs/s  with metrics  time with / time without (lowest–highest round)");
  await compare("backend", rounds, {
    plain: () => backendRound(memoryBackend()),
    counted: () => backendRound(withMetrics(memoryBackend(), { registry: new Registry() })),
  });
  await compare("managers", rounds, {
    plain: () => managerRound(memoryBackend()),
    counted: () => {
      const registry = new Registry();
      return managerRound(withMetrics(memoryBackend(), { registry }), (manager) =>
        instrumentManager(manager, { registry }),
      );
    },
  });
}

/** A round makes a store of its own, so that no round pays for another's history. */
type Round = () => Promise<number>;

async function compare(through: string, rounds: number, contenders: { plain: Round; counted: Round }) {
  const plain: number[] = [];
  const counted: number[] = [];
  for (let round = -2; round < rounds; round += 1) {
    const first = round % 2 === 0;
    const a = first ? await contenders.plain() : await contenders.counted();
    const b = first ? await contenders.counted() : await contenders.plain();
    if (round < 0) continue; // warm-up
    plain.push(first ? a : b);
    counted.push(first ? b : a);
  }
  const rate = (times: readonly number[]) => (PAIRS / (median(times) / 1000)).toFixed(0);
  const ratios = counted.map((time, round) => time / (plain[round] as number));
  console.log(
    `${through.padEnd(11)}${rate(plain).padEnd(15)}${rate(counted).padEnd(14)}${spread(ratios, 3)}`,
  );
}

/** Milliseconds of processor time for all pairs, by callers of the backend itself. */
async function backendRound(backend: LeaseBackend): Promise<number> {
  return timed(async (number, next) => {
    const claims = [{ resource: `src/file-${number}.ts`, mode: "exclusive" as const }];
    const agentId = `agent-${number}`;
    while (next()) {
      const id = createLeaseId();
      const result = await backend.acquire({ ...REQUEST, id, agentId, claims });
      if (result.status !== "granted") throw new Error(`not granted: ${result.status}`);
      await backend.release([{ kind: "release", id, agentId, token: result.lease.token }]);
    }
  });
}

/** The same by managers, one for each caller, made before the clock runs. */
async function managerRound(
  backend: LeaseBackend,
  onManager: (manager: LeaseManager) => void = () => {},
): Promise<number> {
  const managers = Array.from({ length: CONCURRENT }, (_, number) =>
    createLeaseManager({ backend, agentId: `agent-${number}` }),
  );
  for (const manager of managers) onManager(manager);
  return timed(async (number, next) => {
    const manager = managers[number] as LeaseManager;
    while (next()) await (await manager.acquire(`src/file-${number}.ts`)).release();
  });
}

async function timed(caller: (number: number, next: () => boolean) => Promise<void>): Promise<number> {
  let left = PAIRS;
  const next = () => left-- > 0;
  const begun = process.cpuUsage();
  await Promise.all(Array.from({ length: CONCURRENT }, (_, number) => caller(number, next)));
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1000;
}

const REQUEST: Omit<AcquireRequest, "id" | "agentId" | "claims"> = {
  ttlMs: 30_000,
  maxRenewals: null,
  wait: false,
  waitTtlMs: 15_000,
  holding: [],
  reason: null,
  metadata: null,
};
