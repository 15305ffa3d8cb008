/** A backend of which every call is made in a child process. */
import type { LeaseBackend, LeaseEvent } from "@lease/core";
import { type ChangesOptions, defineBackend, type TurnRequest } from "@lease/core/backend";
import type { Link } from "./link.js";
import type { Opened, PlainOperation } from "./protocol.js";

/** @param backend - the number under which the child knows it */
export function hostedBackend(link: Link, backend: number, { kind, limits }: Opened): LeaseBackend {
  function call<T>(operation: PlainOperation, argument?: unknown): Promise<T> {
    return link.ask({ ask: "call", backend, operation, argument }).answer as Promise<T>;
  }

  /** A signal cannot be sent: its abort is. */
  async function turn(wait: TurnRequest): Promise<void> {
    const { signal, ...argument } = wait ?? {};
    const { timeoutMs } = argument;
    const { number, answer } = link.ask(
      { ask: "call", backend, operation: "turn", argument: wait && argument },
      typeof timeoutMs === "number" ? timeoutMs : 0,
    );
    const onAbort = () => link.abort(number);
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) onAbort();
    try {
      await answer;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async function* changes(options: ChangesOptions): AsyncGenerator<LeaseEvent, void> {
    const { signal, ...argument } = options ?? {};
    const begun = link.ask({ ask: "changes", backend, argument: options && argument });
    const feed = begun.number;
    const onAbort = () => link.abort(feed);
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) onAbort();
    try {
      await begun.answer;
      for (;;) {
        const next = (await link.ask({ ask: "next", feed }, Number.POSITIVE_INFINITY).answer) as Next;
        if (next.done) return;
        yield next.value;
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
      // The child may be gone, and then so is its feed.
      await link.ask({ ask: "return", feed }).answer.catch(() => undefined);
    }
  }

  return defineBackend({
    kind,
    limits,
    acquire: (request) => call("acquire", request),
    turn,
    renew: (requests) => call("renew", requests),
    release: (requests) => call("release", requests),
    list: (query) => call("list", query),
    sweep: (options) => call("sweep", options),
    changes,
    close: () => call("close"),
  });
}

type Next = { readonly done: true } | { readonly done?: undefined; readonly value: LeaseEvent };
