/** A process of the hand-off and line scenarios: opens a contender, and takes turns as it is told. */
import { setTimeout as sleep } from "node:timers/promises";
import { CONTENDERS } from "../contenders/index.js";
import type { Claimer, Held } from "../frame/contender.js";
import { ownCpu } from "../frame/cpu.js";
import {
  type Answered,
  type LineReport,
  type LineTask,
  monotonicMs,
  type OpenTask,
  type Order,
  type Orders,
  type Told,
  type Turn,
} from "./protocol.js";

/** A process that takes its turns has usually run for a while. */
const WARM_UP_MS = 150;
/** What has not come when the time is over counts as waiting still, this long after it at most. */
const END_WITHIN_MS = 50;

let claimer: Claimer;
let held: Held;

const ACTS: { [O in Order]: (order: Orders[O]["order"]) => Promise<Orders[O]["answer"]> } = {
  async open({ contender: wanted, place, seat }: OpenTask) {
    const contender = CONTENDERS.find(({ name }) => name === wanted);
    if (contender === undefined) throw new Error(`there is no contender ${wanted}`);
    claimer = await contender.open(place, seat);
    if (contender.onlyPasses) return null;
    for (const until = monotonicMs() + WARM_UP_MS; monotonicMs() < until; ) {
      await (await claimer.take([`own-${process.pid}`], 0)).release();
    }
    return null;
  },
  line: takeTurns,
  async ask(resource) {
    held = await inTurn(resource, 0);
    return { at: monotonicMs() };
  },
  async release() {
    const at = monotonicMs();
    await held.release();
    return { at };
  },
};

process.on("message", ({ number, order, with: given }: Told) => {
  const tell = (answered: Answered) => void process.send?.(answered);
  (ACTS[order] as (given: unknown) => Promise<unknown>)(given).then(
    (answer) => tell({ number, answer }),
    (error: unknown) => tell({ number, failed: error instanceof Error ? `${error.stack}` : `${error}` }),
  );
});
process.on("disconnect", () => process.exit());

function inTurn(resource: string, caller: number): Promise<Held> {
  if (claimer.takeInTurn === undefined) throw new Error("this contender cannot wait");
  return claimer.takeInTurn(resource, caller);
}

async function takeTurns({ waiters, resource, forMs }: LineTask): Promise<LineReport> {
  const turns: Turn[] = [];
  const waiting = new Map<number, number>();
  const cpu = ownCpu();
  const until = monotonicMs() + forMs;
  const callers = Array.from({ length: waiters }, async (_, caller) => {
    while (monotonicMs() < until) {
      const askedAt = monotonicMs();
      waiting.set(caller, askedAt);
      const mine = await inTurn(resource, caller);
      const grantedAt = monotonicMs();
      waiting.delete(caller);
      turns.push([caller, askedAt, grantedAt, monotonicMs()]);
      await mine.release();
    }
  });
  // Whoever polls may never come to its turn: it is not waited for.
  await Promise.race([Promise.all(callers), sleep(forMs + END_WITHIN_MS)]);
  const still = [...waiting].map(([caller, askedAt]): Turn => [caller, askedAt, null, null]);
  return { turns: [...turns, ...still], cpuUs: ownCpu() - cpu };
}
