/**
 * The child of a process host. Plain Node runs it: it imports the module named by its first argument, opens backends
 * by that module's `open` and answers the host's questions until the host goes away.
 */
import { pathToFileURL } from "node:url";
import type { LeaseBackend, LeaseEvent } from "@lease/core";
import type { ChangesOptions, TurnRequest } from "@lease/core/backend";
import { failureOf, type Opened, type Question, type ToChild, type ToHost } from "./protocol.js";

/** What the module of a process host exports. */
interface BackendModule {
  open(options: unknown): LeaseBackend | Promise<LeaseBackend>;
}

const backends = new Map<number, LeaseBackend>();
const feeds = new Map<number, AsyncIterator<LeaseEvent>>();
const aborts = new Map<number, AbortController>();

async function main(module: string): Promise<void> {
  const href = module.startsWith("file:") ? module : pathToFileURL(module).href;
  const { open } = (await import(href)) as BackendModule;
  process.on("message", (message: ToChild) => {
    if ("abort" in message) aborts.get(message.abort)?.abort();
    else void answer(message.number, message.question, open);
  });
  // A host that died asks nothing any more; what it held must run out by itself, as after any crash.
  process.on("disconnect", () => process.exit());
  tell({ ready: true });
}

async function answer(number: number, question: Question, open: BackendModule["open"]): Promise<void> {
  try {
    tell({ number, answer: await act(number, question, open) });
  } catch (error) {
    tell({ number, failure: failureOf(error) });
  }
}

async function act(number: number, question: Question, open: BackendModule["open"]): Promise<unknown> {
  switch (question.ask) {
    case "open": {
      const backend = await open(question.options);
      backends.set(number, backend);
      const opened: Opened = { kind: backend.kind, limits: { ...backend.limits } };
      return opened;
    }
    case "call": {
      const backend = known(backends, question.backend);
      if (question.operation !== "turn") return await backend[question.operation](question.argument as never);
      try {
        return await backend.turn(abortable(number, question.argument as TurnRequest));
      } finally {
        aborts.delete(number);
      }
    }
    case "changes": {
      const backend = known(backends, question.backend);
      const options = abortable(number, question.argument as ChangesOptions);
      feeds.set(number, backend.changes(options)[Symbol.asyncIterator]());
      return undefined;
    }
    case "next": {
      const { done, value } = await known(feeds, question.feed).next();
      if (!done) return { value };
      forget(question.feed);
      return { done };
    }
    case "return": {
      // An abort ends a feed that waits; `return` alone would wait behind its `next`.
      const feed = feeds.get(question.feed);
      aborts.get(question.feed)?.abort();
      forget(question.feed);
      await feed?.return?.();
    }
  }
}

/** The options with a signal that the host can abort. What is no object is the backend's to refuse. */
function abortable<O extends object>(number: number, options: O): O {
  if (typeof options !== "object" || options === null) return options;
  const abort = new AbortController();
  aborts.set(number, abort);
  return { ...options, signal: abort.signal };
}

function forget(feed: number): void {
  feeds.delete(feed);
  aborts.delete(feed);
}

function known<T>(from: ReadonlyMap<number, T>, number: number): T {
  const found = from.get(number);
  if (found === undefined) throw new Error(`Nothing was opened under the number ${number}`);
  return found;
}

function tell(message: ToHost): void {
  process.send?.(message);
}

const module = process.argv[2];
if (module === undefined || process.send === undefined) {
  throw new Error("This program is started by processHost() of @lease/testing, with a module to load.");
}
main(module).catch((error: unknown) => {
  process.send?.({ ready: failureOf(error) } satisfies ToHost, () => process.exit(1));
});
