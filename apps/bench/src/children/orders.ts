/** The child's side: does what it is told, answers, and ends with its parent. */
import type { Answered, Order, Orders, Told } from "./protocol.js";

export function answerOrders<O extends Order>(
  acts: {
    readonly [P in O]: (order: Orders[P]["order"]) => Promise<Orders[P]["answer"]>;
  },
): void {
  process.on("message", ({ number, order, with: given }: Told) => {
    const tell = (answered: Answered) => void process.send?.(answered);
    (acts[order as O] as (given: unknown) => Promise<unknown>)(given).then(
      (answer) => tell({ number, answer }),
      (error: unknown) => tell({ number, failed: error instanceof Error ? `${error.stack}` : `${error}` }),
    );
  });
  process.on("disconnect", () => process.exit());
}
