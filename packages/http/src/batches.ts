/** Joins the calls of one tick into few requests, none larger than the server takes. */
import { Join, type JoinedCall } from "@lease/core/backend";
import type { Client } from "./client.js";
import { errorOf, type Problem } from "./errors.js";

const AT_ONCE = 2;
/** For what stands around the requests. */
const SPARE_BYTES = 1_024;

export interface BatchLimits {
  readonly requests: number;
  readonly bodyBytes: number;
}

/** One kind of step. */
export class Batches<R, A> {
  readonly #client: Client;
  readonly #path: string;
  readonly #limits: BatchLimits;
  readonly #join: Join<R, A>;

  constructor(client: Client, path: string, limits: BatchLimits) {
    this.#client = client;
    this.#path = path;
    this.#limits = limits;
    this.#join = new Join({
      most: limits.requests,
      atOnce: AT_ONCE,
      schedule: queueMicrotask,
      send: (calls) => this.#send(calls),
    });
  }

  run(request: R): Promise<A> {
    return this.#join.call(request);
  }

  close(error: () => unknown): Promise<void> {
    return this.#join.close(error, "reject");
  }

  async #send(calls: readonly JoinedCall<R, A>[]): Promise<void> {
    for (const part of this.#parts(calls)) {
      const requests = part.map(({ request }) => request);
      try {
        const { results } = (await this.#client.post(this.#path, { requests })) as {
          results: (A & { error?: Problem })[];
        };
        for (const [index, { resolve, reject }] of part.entries()) {
          const result = results[index] as A & { error?: Problem };
          if (result.error === undefined) resolve(result);
          else reject(errorOf(result.error));
        }
      } catch (error) {
        for (const { reject } of part) reject(error);
      }
    }
  }

  #parts(calls: readonly JoinedCall<R, A>[]): JoinedCall<R, A>[][] {
    const most = this.#limits.bodyBytes - SPARE_BYTES;
    const parts: JoinedCall<R, A>[][] = [[]];
    let bytes = 0;
    for (const call of calls) {
      const size = new TextEncoder().encode(JSON.stringify(call.request)).length + 1;
      if (bytes + size > most && bytes > 0) {
        parts.push([]);
        bytes = 0;
      }
      parts.at(-1)?.push(call);
      bytes += size;
    }
    return parts;
  }
}
