/** Whatever serves requests, and can be closed: Fastify, `node:http`, or an object with a `close()` of one's own. */

export interface ShutdownServer {
  /**
   * Stops granting and lets what is held come to its end, for a server whose holders are its clients; resolves when
   * nothing is held, or soon after `signal` aborts. With it, the server is closed after draining; without it, at once:
   * it then takes nothing new and finishes what it has begun.
   */
  drain?(options: { readonly signal: AbortSignal }): unknown;
  /**
   * Takes nothing new and is over when all under way is answered. It may return a promise (Fastify), call back
   * (`node:http`), or be over when it returns.
   */
  close(callback?: (error?: Error) => void): unknown;
}

/** Closes it and resolves when it is closed, whichever way it tells that. */
export function closeServer(server: ShutdownServer): Promise<void> {
  return new Promise((resolve, reject) => {
    const answer = server.close((error) =>
      error === undefined || error === null ? resolve() : reject(error),
    );
    if (isThenable(answer)) answer.then(() => resolve(), reject);
    // It takes no callback and has nothing to wait for. (Those of `node:http` return the server itself.)
    else if (answer === undefined && server.close.length === 0) resolve();
  });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === "function";
}
