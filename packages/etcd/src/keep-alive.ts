/** Keep-alives of etcd leases, all over one stream a member; the library would open one stream a lease. */
import type { ILeaseKeepAliveRequest, ILeaseKeepAliveResponse } from "etcd3";
import { castGrpcError, type Etcd3, GRPCDeadlineExceededError } from "etcd3";
import { type Endpoint, endStream } from "./streams.js";

/** An idle stream keeps the process alive, so it is not kept for long. */
const IDLE_MS = 2000;

type Duplex = Awaited<ReturnType<Etcd3["leaseClient"]["leaseKeepAlive"]>>;

interface Waiting {
  readonly resolve: (grantedS: number) => void;
  readonly reject: (error: unknown) => void;
}

export class KeepAlives {
  readonly #streams = new Map<Endpoint, KeepAliveStream>();

  /** The TTL in seconds that this member granted the lease again, 0 when it is gone. */
  send(endpoint: Endpoint, leaseId: string, withinMs: number): Promise<number> {
    let stream = this.#streams.get(endpoint);
    if (stream === undefined || stream.over) {
      stream = new KeepAliveStream(endpoint);
      this.#streams.set(endpoint, stream);
    }
    return stream.send(leaseId, withinMs);
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.end();
  }
}

class KeepAliveStream {
  over = false;
  readonly #opening: Promise<Duplex>;
  readonly #waiting = new Map<string, Waiting[]>();
  #count = 0;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;

  constructor({ client }: Endpoint) {
    this.#opening = client.leaseClient.leaseKeepAlive();
    this.#opening.then(
      (stream) => {
        stream.on("data", (answer: ILeaseKeepAliveResponse) => this.#onAnswer(answer));
        stream.on("error", (error) => this.#fail(castGrpcError(error)));
        stream.on("end", () => this.#fail(new GRPCDeadlineExceededError("The keep-alive stream ended.")));
      },
      (error: unknown) => this.#fail(error),
    );
  }

  send(leaseId: string, withinMs: number): Promise<number> {
    clearTimeout(this.#idleTimer);
    return new Promise<number>((resolve, reject) => {
      // An answer that is late means that the stream hangs, and all other answers with it.
      const timer = setTimeout(
        () => this.#fail(new GRPCDeadlineExceededError("A keep-alive was not answered in time.")),
        Math.max(1, withinMs),
      );
      const waiting: Waiting = {
        resolve: (grantedS) => {
          clearTimeout(timer);
          resolve(grantedS);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const others = this.#waiting.get(leaseId);
      if (others === undefined) this.#waiting.set(leaseId, [waiting]);
      else others.push(waiting);
      this.#count += 1;
      const request: ILeaseKeepAliveRequest = { ID: leaseId };
      this.#opening.then(
        (stream) => {
          if (!this.over) stream.write(request);
        },
        () => {},
      );
    });
  }

  end(): void {
    this.#fail(new GRPCDeadlineExceededError("The keep-alive stream was closed."));
  }

  #onAnswer({ ID, TTL }: ILeaseKeepAliveResponse): void {
    const [waiting, ...others] = this.#waiting.get(ID) ?? [];
    if (waiting === undefined) return;
    if (others.length === 0) this.#waiting.delete(ID);
    else this.#waiting.set(ID, others);
    this.#count -= 1;
    waiting.resolve(Number(TTL));
    if (this.#count === 0) this.#idleTimer = setTimeout(() => this.end(), IDLE_MS);
  }

  #fail(error: unknown): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.#idleTimer);
    for (const waiting of this.#waiting.values()) for (const { reject } of waiting) reject(error);
    this.#waiting.clear();
    this.#opening.then(endStream, () => {});
  }
}
