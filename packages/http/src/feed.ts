/** The change feed: pages of the history, and with `follow` the server's event stream, taken up again where it broke. */
import { isLeaseError, type LeaseEvent } from "@lease/core";
import { type ChangesOptions, closed, matchesFilters } from "@lease/core/backend";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import type { Client } from "./client.js";
import { errorOf, type Problem } from "./errors.js";

const RECONNECT_FIRST_MS = 100;
const RECONNECT_MOST_MS = 5_000;

interface Page {
  readonly events: readonly LeaseEvent[];
  readonly next: string | null;
}

export async function* changes(client: Client, options: ChangesOptions): AsyncGenerator<LeaseEvent, void> {
  if (options.follow === true) yield* followed(client, options);
  else yield* recorded(client, options);
}

async function* recorded(
  client: Client,
  { signal, follow: _, background: __, ...filters }: ChangesOptions,
): AsyncGenerator<LeaseEvent, void> {
  let { after } = filters;
  while (!signal?.aborted) {
    const page = (await client.post("/v1/steps/changes", { ...filters, after })) as Page;
    for (const event of page.events) {
      if (signal?.aborted) return;
      yield event;
    }
    if (page.next === null) return;
    after = page.next;
  }
}

async function* followed(client: Client, options: ChangesOptions): AsyncGenerator<LeaseEvent, void> {
  const signal = options.signal ?? new AbortController().signal;
  let { after } = options;
  for (let failures = 0; !signal.aborted; ) {
    const over = new AbortController();
    try {
      const stream = await client.stream(pathOf(options, after), AbortSignal.any([signal, over.signal]));
      for await (const { id, event, data } of messages(stream)) {
        failures = 0;
        if (id !== undefined) after = id;
        if (signal.aborted) return;
        if (event === "error" || event === "problem") throw errorOf(JSON.parse(data) as Problem);
        if (data === "") continue;
        const change = JSON.parse(data) as LeaseEvent;
        if (passes(change, options)) yield change;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (client.isClosed) throw closed("http");
      if (!mayPass(error)) throw error;
      failures += 1;
    } finally {
      over.abort();
    }
    if (client.isClosed) throw closed("http");
    await pause(failures, signal);
  }
}

/** Many ids do not fit into a URL: then all events come, and these are picked here. */
function pathOf({ ids, agentId, resource, types }: ChangesOptions, after: string | undefined): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ agentId, resource, after }))
    if (value !== undefined) query.set(name, value);
  if (ids?.length === 1) query.set("id", ids[0] as string);
  if (types !== undefined && types.length > 0) query.set("types", types.join(","));
  return `/v1/events?${query}`;
}

function passes(event: LeaseEvent, options: ChangesOptions): boolean {
  return (options.types?.includes(event.type) ?? true) && matchesFilters(event.lease, options);
}

async function* messages(stream: AsyncIterable<string>): AsyncGenerator<EventSourceMessage, void> {
  const arrived: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => arrived.push(message) });
  for await (const chunk of stream) {
    parser.feed(chunk);
    yield* arrived.splice(0);
  }
}

/** A stream that broke is taken up again; what the server refuses is not. */
function mayPass(error: unknown): boolean {
  return (
    !isLeaseError(error) ||
    isLeaseError(error, "BACKEND_UNAVAILABLE") ||
    isLeaseError(error, "OUTCOME_UNKNOWN")
  );
}

/** Doubled each time and spread, so that the clients of a server that restarts do not come all at once. */
function pause(failures: number, signal: AbortSignal): Promise<void> {
  const most = Math.min(RECONNECT_FIRST_MS * 2 ** Math.min(failures, 10), RECONNECT_MOST_MS);
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, most * Math.random());
    signal.addEventListener("abort", done);
  });
}
