/**
 * The count of a lease's renewals: what to say next is one more than the last answer counted, also where that is less
 * than before. And whether an answer shows renewals that were not sent here.
 */
import type { RenewRequest, RenewResult } from "../backend/backend.js";
import type { Lease } from "../model/model.js";

/** An answer that shows what is counted. */
export type CountedAnswer = Extract<RenewResult, { readonly lease: Lease }>;

export class RenewalCount {
  #counted: number;
  /** The highest count of a renewal that went unanswered since the last answer. */
  #unanswered = 0;
  #strays = 0;

  constructor(counted: number) {
    this.#counted = counted;
  }

  get next(): number {
    return this.#counted + 1;
  }

  /**
   * How many answers in a row showed another count than was sent: the store lost a renewal, or another process renews
   * this lease.
   */
  get strays(): number {
    return this.#strays;
  }

  /** A renewal may have been counted without an answer. */
  onUnanswered({ renewal = 0 }: RenewRequest): void {
    this.#unanswered = Math.max(this.#unanswered, renewal);
  }

  onAnswer(result: CountedAnswer, { renewal = 0 }: RenewRequest): void {
    const { renewals } = result.lease;
    // A repeat of one whose answer was lost is none; nor is one that counts less than was sent, by a store without space.
    const isStray =
      result.status === "out-of-order" ||
      (result.repeated && renewal > this.#unanswered && renewal <= renewals);
    this.#strays = isStray ? this.#strays + 1 : 0;
    this.#unanswered = 0;
    this.#counted = renewals;
  }
}
