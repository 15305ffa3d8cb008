/** A process of the hand-off and line scenarios: opens a contender, and takes turns as it is told. */
import { CONTENDERS } from "../contenders/index.js";
import type { Claimer, Held } from "../frame/contender.js";
import { answerOrders } from "./orders.js";
import { type LineTask, monotonicMs, type Turn } from "./protocol.js";

/** A process that takes its turns has usually run for a while. */
const WARM_UP_MS = 150;

let claimer: Claimer;
let held: Held;

const turns: Turn[] = [];
/** By caller, since when. */
const waiting = new Map<number, number>();
let stopped = false;
let failure: unknown;

answerOrders({
  async open({ contender: wanted, place, seat }) {
    const contender = CONTENDERS.find(({ name }) => name === wanted);
    if (contender === undefined) throw new Error(`there is no contender ${wanted}`);
    claimer = await contender.open(place, seat);
    if (contender.onlyPasses) return null;
    for (const until = monotonicMs() + WARM_UP_MS; monotonicMs() < until; ) {
      await (await claimer.take([`own-${process.pid}`], 0)).release();
    }
    return null;
  },
  line: standInLine,
  stop,
  async ask(resource) {
    held = await inTurn(resource, 0);
    return { at: monotonicMs() };
  },
  async release() {
    const at = monotonicMs();
    await held.release();
    return { at };
  },
});

function inTurn(resource: string, caller: number): Promise<Held> {
  if (claimer.takeInTurn === undefined) throw new Error("this contender cannot wait");
  return claimer.takeInTurn(resource, caller);
}

async function standInLine({ waiters, resource }: LineTask): Promise<null> {
  for (let caller = 0; caller < waiters; caller += 1) {
    void takeTurns(resource, caller).catch((error: unknown) => {
      failure ??= error;
    });
  }
  return null;
}

async function takeTurns(resource: string, caller: number): Promise<void> {
  while (!stopped) {
    const askedAt = monotonicMs();
    waiting.set(caller, askedAt);
    const mine = await inTurn(resource, caller);
    const grantedAt = monotonicMs();
    waiting.delete(caller);
    turns.push([caller, askedAt, grantedAt, monotonicMs()]);
    await mine.release();
  }
}

/** Whoever polls may never come to its turn: it is not waited for. */
async function stop(): Promise<readonly Turn[]> {
  stopped = true;
  if (failure !== undefined) throw failure;
  return [...turns, ...[...waiting].map(([caller, askedAt]): Turn => [caller, askedAt, null, null])];
}
