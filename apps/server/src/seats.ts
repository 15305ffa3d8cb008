/** How many requests may stay open at a time: in all, and for each address. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { HttpError } from "./problems.js";

export interface SeatLimits {
  readonly inAll: number;
  readonly perAddress: number;
}

export class Seats {
  readonly #limits: SeatLimits;
  readonly #byAddress = new Map<string, number>();
  #taken = 0;

  constructor(limits: SeatLimits) {
    this.#limits = limits;
  }

  /** How many are taken. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * Takes a seat until the answer ends or its client hangs up.
   *
   * @throws `SERVER_BUSY` when all are taken
   */
  take({ ip }: Pick<FastifyRequest, "ip">, { raw }: Pick<FastifyReply, "raw">): void {
    const { inAll, perAddress } = this.#limits;
    const before = this.#byAddress.get(ip) ?? 0;
    if (this.#taken >= inAll || before >= perAddress) throw new HttpError("SERVER_BUSY");
    this.#taken += 1;
    this.#byAddress.set(ip, before + 1);
    raw.once("close", () => {
      this.#taken -= 1;
      const left = (this.#byAddress.get(ip) as number) - 1;
      if (left === 0) this.#byAddress.delete(ip);
      else this.#byAddress.set(ip, left);
    });
  }
}
