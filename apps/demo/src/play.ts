/** Plays the scenario once: starts the eight processes, lets them race, and lets the accidents happen. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { happen } from "./accident.js";
import { ACCIDENTS, type Acknowledged, type Job, WORKERS, type WorkerMessage } from "./scenario.js";

/** Beside this file once both are built. */
const WORKER = fileURLToPath(new URL("./worker.js", import.meta.url));

export interface Outcome {
  /** What workers were told is done, in the order in which we heard of it. */
  readonly acknowledged: readonly Acknowledged[];
  /** How often an edit had to be done again, by what told the worker so. */
  readonly redone: { LEASE_LOST: number; FENCED: number };
  readonly elapsedMs: number;
}

export type PlayOptions = Omit<Job, "worker" | "accident"> & {
  readonly say: (line: string) => void;
  /** Ends all processes and the play. */
  readonly signal: AbortSignal;
};

export async function play({ say, signal, ...stage }: PlayOptions): Promise<Outcome> {
  signal.throwIfAborted();
  const acknowledged: Acknowledged[] = [];
  const redone = { LEASE_LOST: 0, FENCED: 0 };

  const crew = Array.from({ length: WORKERS }, (_, index) => {
    const worker = index + 1;
    // Without leases no accident is needed to lose updates.
    const accident = (stage.withLeases && ACCIDENTS.find((one) => one.worker === worker)) || null;
    const job: Job = { ...stage, worker, accident };
    const child = fork(WORKER, [JSON.stringify(job)]);
    child.on("message", (message: WorkerMessage) => {
      if (message.type === "acknowledged") acknowledged.push({ worker, edit: message.edit });
      else if (message.type === "redo") {
        redone[message.code] += 1;
        say(`worker ${worker} does edit ${message.edit.number} again: ${REASONS[message.code]}`);
      } else if (message.type === "dawdling" && accident !== null) {
        void happen(accident, child, acknowledged, say);
      }
    });
    return {
      child,
      ready: once(child, "message"),
      over: endOf(child, worker, accident?.signal === "SIGKILL"),
    };
  });
  say(`workers: pids ${crew.map(({ child }) => child.pid).join(" ")}`);

  const kill = () => crew.forEach(({ child }) => void child.kill("SIGKILL"));
  signal.addEventListener("abort", kill);
  const over = Promise.all(crew.map((member) => member.over));
  try {
    await Promise.race([Promise.all(crew.map((member) => member.ready)), over]);
    const startedAt = performance.now();
    for (const { child } of crew) child.send("go on");
    const progress = setInterval(() => say(`${acknowledged.length} edits`), 1_000);
    await over.finally(() => clearInterval(progress));
    return { acknowledged, redone, elapsedMs: performance.now() - startedAt };
  } finally {
    kill();
    await Promise.allSettled(crew.map((member) => member.over));
    signal.removeEventListener("abort", kill);
  }
}

const REASONS = {
  LEASE_LOST: "it asked, and its lease was lost",
  FENCED: "its write carried a stale token and was refused",
};

/** Resolves when a process is gone and all that it told was heard; rejects if it was not meant to end like that. */
async function endOf(child: ChildProcess, worker: number, mayBeKilled: boolean): Promise<void> {
  const [[code, signal]] = await Promise.all([once(child, "exit"), once(child, "disconnect")]);
  if (code === 0 || (mayBeKilled && signal === "SIGKILL")) return;
  throw new Error(`Worker ${worker} ended with ${signal ?? `code ${code}`}.`);
}
