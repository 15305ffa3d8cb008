/** Processes of ours that do what they are told: started, asked, and killed when they are no longer needed. */
import { type ChildProcess, fork } from "node:child_process";
import type { Answered, Order, Orders, Told } from "./protocol.js";
import { workerFile } from "./worker-file.js";

const ANSWER_WITHIN_MS = 60_000;

export class Worker {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  #orders = 0;

  constructor(name: string) {
    this.#child = fork(workerFile(name));
    this.#child.on("message", (answered: Answered) => {
      const asked = this.#pending.get(answered.number);
      this.#pending.delete(answered.number);
      if ("failed" in answered)
        asked?.reject(new Error(`A process of the benchmark failed: ${answered.failed}`));
      else asked?.resolve(answered.answer);
    });
    this.#child.on("exit", (code, signal) => {
      for (const { reject } of this.#pending.values()) {
        reject(new Error(`A process of the benchmark ended by itself (${code ?? signal}).`));
      }
      this.#pending.clear();
    });
  }

  /** @throws Error when it fails, ends, or does not answer in time */
  tell<O extends Order>(order: O, given: Orders[O]["order"]): Promise<Orders[O]["answer"]> {
    this.#orders += 1;
    const number = this.#orders;
    const answer = new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`A process of the benchmark does not answer: ${order}.`));
      }, ANSWER_WITHIN_MS);
      const settled = <T>(settle: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(timer);
          settle(value);
        };
      };
      this.#pending.set(number, { resolve: settled(resolve), reject: settled(reject) });
    });
    this.#child.send({ number, order, with: given } satisfies Told);
    return answer as Promise<Orders[O]["answer"]>;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Runs it with so many processes that have opened the contender, and leaves none behind. */
export async function withWorkers<T>(
  count: number,
  task: Omit<Orders["open"]["order"], "seat">,
  run: (workers: readonly Worker[]) => Promise<T>,
): Promise<T> {
  const workers = Array.from({ length: count }, () => new Worker("line.worker"));
  try {
    await Promise.all(
      workers.map((worker, number) => worker.tell("open", { ...task, seat: { number, of: count } })),
    );
    return await run(workers);
  } finally {
    for (const worker of workers) worker.kill();
  }
}
