/** Requests to one server: each ends within its bound, is sent once, and knows what its failure means. */
import { LeaseError } from "@lease/core";
import { closed } from "@lease/core/backend";
import { type Problem, refused, unanswered, unusable } from "./errors.js";
import type { Answer, Call, Transport } from "./transport.js";

export interface ClientOptions {
  readonly transport: Transport & { close(): void };
  readonly origin: URL;
  readonly token: string | undefined;
  readonly timeoutMs: number;
}

/** What `GET /v1/limits` answers. */
export interface Contract {
  readonly contract: number;
  readonly kind: string;
  readonly limits: Readonly<Record<string, unknown>>;
  readonly requests: number;
  readonly bodyBytes: number;
  readonly turnsMs: number;
}

const CONTRACT = 1;

export class Client {
  readonly #options: ClientOptions;
  readonly #closing = new AbortController();
  /** As first read; after a failure it is compared before anything else is sent. */
  #contract: string | undefined;
  #suspect = true;
  #verifying: Promise<Contract> | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Reads what the server can do, or makes sure that it is still the same. */
  async contract(): Promise<Contract> {
    const read = (await this.#json("GET", "/v1/limits", undefined)) as Contract;
    if (read.contract !== CONTRACT) {
      throw unusable(
        `it speaks version ${read.contract} of the contract, and this client version ${CONTRACT}`,
      );
    }
    const text = JSON.stringify(read);
    if (this.#contract !== undefined && this.#contract !== text) {
      throw unusable("its store has other limits than before: open the backend again");
    }
    this.#contract = text;
    this.#suspect = false;
    return read;
  }

  /** After a failure, all calls wait for one look at what answers now. */
  async #verified(): Promise<void> {
    if (!this.#suspect) return;
    this.#verifying ??= this.contract().finally(() => {
      this.#verifying = undefined;
    });
    await this.#verifying;
  }

  async post(path: string, body: unknown): Promise<unknown> {
    await this.#verified();
    return this.#json("POST", path, JSON.stringify(body));
  }

  /** Opens an event stream; it lasts until the signal aborts. */
  async stream(path: string, signal: AbortSignal): Promise<AsyncIterable<string>> {
    await this.#verified();
    const headers = { accept: "text/event-stream" };
    try {
      const answer = await this.#send({ method: "GET", path, headers, signal, lasting: true });
      if (answer.status === 200 && answer.type === "text/event-stream") return answer.body;
      throw refused(answer.status, await problemIn(answer));
    } catch (error) {
      throw this.#failed(error, signal);
    }
  }

  /** The lines of an answer that goes on, as they come; empty ones only show that it does. */
  async *lines(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<string, void> {
    await this.#verified();
    try {
      const text = JSON.stringify(body);
      const answer = await this.#send({
        method: "POST",
        path,
        body: text,
        headers: {},
        signal,
        lasting: true,
      });
      if (answer.status !== 200) throw refused(answer.status, await problemIn(answer));
      let rest = "";
      for await (const chunk of answer.body) {
        const lines = `${rest}${chunk}`.split("\n");
        rest = lines.pop() ?? "";
        yield* lines.filter((line) => line !== "");
      }
    } catch (error) {
      throw this.#failed(error, signal);
    }
  }

  close(): void {
    this.#closing.abort();
    this.#options.transport.close();
  }

  async #json(method: "GET" | "POST", path: string, body: string | undefined): Promise<unknown> {
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(new Error("no answer in time")), this.#options.timeoutMs);
    try {
      const answer = await this.#send({
        method,
        path,
        body,
        headers: {},
        signal: over.signal,
        lasting: false,
      });
      if (answer.status !== 200) throw refused(answer.status, await problemIn(answer));
      if (answer.type !== "application/json") throw new Error(`an answer of the type ${answer.type}`);
      return JSON.parse(await whole(answer.body));
    } catch (error) {
      throw this.#failed(error, undefined);
    } finally {
      clearTimeout(timer);
    }
  }

  async #send(call: Call): Promise<Answer> {
    if (this.isClosed) throw closed("http");
    const { transport, token } = this.#options;
    const headers = {
      ...call.headers,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(call.body === undefined ? {} : { "content-type": "application/json" }),
    };
    return transport({ ...call, headers, signal: AbortSignal.any([call.signal, this.#closing.signal]) });
  }

  /** What failed without an answer may have been the server's end, and the next server another one. */
  #failed(error: unknown, outer: AbortSignal | undefined): unknown {
    if (this.isClosed) return closed("http");
    if (error instanceof LeaseError) return error;
    if (outer?.aborted === true) return error;
    this.#suspect = true;
    return unanswered(error, this.#options.origin);
  }
}

async function problemIn({ type, body }: Answer): Promise<Problem | null> {
  const text = await whole(body);
  if (type !== "application/problem+json") return null;
  const problem = JSON.parse(text) as Partial<Problem>;
  return typeof problem.code === "string" ? ({ detail: problem.code, ...problem } as Problem) : null;
}

async function whole(body: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const chunk of body) text += chunk;
  return text;
}
