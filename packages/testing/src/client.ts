/** A client with a life of its own on a backend that others use too. */
import { type LeaseBackend, LeaseError } from "@lease/core";

/**
 * Looks like a backend of its own: closing it ends its waits and followers and refuses its later calls, and leaves
 * `backend` open for the others.
 */
export function clientOf(backend: LeaseBackend): LeaseBackend {
  const closing = new AbortController();
  const { signal: closed } = closing;

  async function call<T>(run: () => Promise<T>): Promise<T> {
    if (closed.aborted) throw closedError();
    return await run();
  }

  return {
    kind: backend.kind,
    limits: backend.limits,
    acquire: (request) => call(() => backend.acquire(request)),
    turn: (wait) =>
      call(async () => {
        await backend.turn(until(closed, wait));
        if (closed.aborted) throw closedError();
      }),
    renew: (requests) => call(() => backend.renew(requests)),
    release: (requests) => call(() => backend.release(requests)),
    list: (query) => call(() => backend.list(query)),
    sweep: (options) => call(() => backend.sweep(options)),
    async *changes(options) {
      if (closed.aborted) throw closedError();
      for await (const event of backend.changes(until(closed, options))) {
        yield event;
        if (closed.aborted) throw closedError();
      }
      if (closed.aborted) throw closedError();
    },
    async close() {
      closing.abort();
    },
  };
}

/** The same options, aborted also by `closed`. What is no object at all is the backend's to refuse. */
function until<O extends { readonly signal?: AbortSignal | undefined }>(closed: AbortSignal, options: O): O {
  if (typeof options !== "object" || options === null) return options;
  const signal = options.signal === undefined ? closed : AbortSignal.any([closed, options.signal]);
  return { ...options, signal };
}

function closedError(): LeaseError<"CLOSED"> {
  return new LeaseError("CLOSED", "This client of the backend was closed.");
}
