/** How requests travel: by `node:http` in Node, by `fetch` in browsers. */

/** A request of this package: JSON there and back, or an event stream back. */
export interface Call {
  readonly method: "GET" | "POST";
  /** From the root of the server, with its query. */
  readonly path: string;
  readonly body?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** A long poll or a stream: it keeps its connection to itself. */
  readonly lasting: boolean;
}

/** An answer, whose body is read as it comes. */
export interface Answer {
  readonly status: number;
  /** In lower case, without parameters. */
  readonly type: string;
  readonly body: AsyncIterable<string>;
}

/**
 * Sends a request once.
 *
 * @throws {@link NotSent} when no byte of it can have reached the server; anything else when one may have
 */
export type Transport = (call: Call) => Promise<Answer>;

/** The connection was never made. */
export class NotSent extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? reasonOf(cause) : "the connection could not be made", { cause });
  }
}

/** Some errors of connecting have their reason in a code, or in the errors that they stand for. */
function reasonOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return error.message === "" ? (code ?? error.name) : error.message;
}

/** `application/json; charset=utf-8` is `application/json`. */
export function mediaType(header: string | null | undefined): string {
  return (header ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}
