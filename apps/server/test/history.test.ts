import { connect } from "node:net";
import { type LeaseBackend, type LeaseEvent, memoryBackend } from "@lease/core";
import { EventSource } from "eventsource";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { newId, startServer, type TestServer, until } from "./server.js";

let server: TestServer;

beforeEach(async () => {
  server = await startServer({ limits: { heartbeatMs: 30 } });
});

afterEach(() => server.close());

/** One short life: two events. */
async function live(resource: string, agentId = "a"): Promise<void> {
  const path = `/v1/leases/${newId()}`;
  await server.ask("PUT", path, { agentId, resources: [resource] });
  await server.ask("DELETE", `${path}?agentId=${agentId}`);
}

const sweep = (historyRetentionMs: number) => server.ask("POST", "/v1/sweep", { historyRetentionMs });

describe("GET /v1/history", () => {
  test("pages by cursor, oldest first, without a gap", async () => {
    for (const resource of ["a", "b", "c"]) await live(resource);
    const seen: string[] = [];
    let after = "";
    for (let pages = 0; ; pages += 1) {
      const { body } = await server.ask("GET", `/v1/history?limit=4${after}`);
      seen.push(...body.events.map(({ type, lease }: LeaseEvent) => `${type} ${lease.claims[0]?.resource}`));
      if (body.next === null) {
        expect(pages).toBe(1);
        break;
      }
      after = `&after=${body.next}`;
    }
    expect(seen).toEqual(["a", "b", "c"].flatMap((name) => [`acquired ${name}`, `released ${name}`]));
  });

  test("takes filters, and begins at the end when told", async () => {
    await live("src/a", "a");
    await live("src/b", "b");
    const types = async (query: string) =>
      (await server.ask("GET", `/v1/history?${query}`)).body.events.map(
        ({ type, lease }: LeaseEvent) => `${lease.agentId} ${type}`,
      );
    expect(await types("agentId=b")).toEqual(["b acquired", "b released"]);
    expect(await types("types=released,expired")).toEqual(["a released", "b released"]);
    expect(await types("resource=src/**&types=acquired")).toEqual(["a acquired", "b acquired"]);
    expect(await types("after=end")).toEqual([]);
    const [first] = (await server.ask("GET", "/v1/history?limit=1")).body.events;
    expect(await types(`id=${first.lease.id}`)).toEqual(["a acquired", "a released"]);
  });

  test("410 for a cursor that nobody can go on from", async () => {
    await live("a");
    const { cursor } = (await server.ask("GET", "/v1/history?limit=1")).body.events[0];
    await new Promise((resolve) => setTimeout(resolve, 5));
    await sweep(1);
    for (const after of [cursor, "another.5", "garbage"]) {
      const { body } = await server.ask("GET", `/v1/history?after=${after}`);
      expect(body).toMatchObject({ status: 410, code: "CURSOR_EXPIRED" });
    }
  });
});

interface Stream {
  readonly response: Response;
  readonly messages: EventSourceMessage[];
  readonly comments: string[];
  readonly ended: Promise<void>;
  close(): void;
}

/** Follows the stream with a parser that keeps to the standard. */
async function follow(query = "", lastEventId?: string): Promise<Stream> {
  const controller = new AbortController();
  const headers = new Headers(lastEventId === undefined ? {} : { "last-event-id": lastEventId });
  const response = await fetch(`${server.url}/v1/events?${query}`, { headers, signal: controller.signal });
  const messages: EventSourceMessage[] = [];
  const comments: string[] = [];
  const parser = createParser({
    onEvent: (message) => void messages.push(message),
    onComment: (comment) => void comments.push(comment),
  });
  const read = async () => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) parser.feed(decoder.decode(chunk, { stream: true }));
  };
  return { response, messages, comments, ended: read().catch(() => {}), close: () => controller.abort() };
}

describe("GET /v1/events", () => {
  test("sends what happened and what happens, one event each, and comments while nothing does", async () => {
    await live("a");
    const stream = await follow();
    expect(stream.response.headers.get("content-type")).toBe("text/event-stream");
    expect(stream.response.headers.get("cache-control")).toBe("no-cache");
    await until(() => stream.messages.length === 2 && stream.comments.length >= 2);
    await live("b");
    await until(() => stream.messages.length === 4);
    for (const { id, event, data } of stream.messages) {
      const told: LeaseEvent = JSON.parse(data);
      expect([id, event]).toEqual([told.cursor, told.type]);
    }
    stream.close();
  });

  test("after=end begins with what is new, and answers before anything happens", async () => {
    await live("a");
    const stream = await follow("after=end&types=acquired");
    expect(stream.response.status).toBe(200);
    await live("b");
    await until(() => stream.messages.length === 1);
    expect(JSON.parse(stream.messages[0]?.data ?? "").lease.claims[0].resource).toBe("b");
    stream.close();
  });

  test("after=end, broken off before its first event, goes on from where the end was", async () => {
    await live("before");
    const asked: (string | null)[] = [];
    const seen: string[] = [];
    let received = "";
    const source = new EventSource(`${server.url}/v1/events?after=end&types=acquired`, {
      fetch: async (url, init) => {
        asked.push(new Headers(init.headers).get("last-event-id"));
        const { body, status, headers, redirected } = await fetch(url, init);
        const decoder = new TextDecoder();
        const heard = new TransformStream<Uint8Array, Uint8Array>({
          transform(chunk, controller) {
            received += decoder.decode(chunk, { stream: true });
            controller.enqueue(chunk);
          },
        });
        return { body: body?.pipeThrough(heard) ?? null, status, headers, redirected, url: String(url) };
      },
    });
    source.addEventListener("acquired", ({ data }) => seen.push(JSON.parse(data).lease.claims[0].resource));
    try {
      // A comment comes after what the stream begins with.
      await until(() => received.includes(": still here"));
      server.app.http.server.closeAllConnections();
      await until(() => source.readyState === EventSource.CONNECTING);
      await live("meanwhile");
      await until(() => source.readyState === EventSource.OPEN && seen.length > 0);
      await live("afterwards");
      await until(() => seen.length > 1);
    } finally {
      source.close();
    }
    expect(seen).toEqual(["meanwhile", "afterwards"]);
    expect(asked).toEqual([null, expect.stringMatching(/\.2$/)]);
  });

  test("a stream from the cursor of a listing tells all that the listing does not show", async () => {
    await live("before");
    const { body } = await server.ask("GET", "/v1/leases?limit=1");
    await live("meanwhile");
    const stream = await follow(`after=${body.cursor}`);
    await live("afterwards");
    await until(() => stream.messages.length === 4);
    expect(stream.messages.map(({ data }) => JSON.parse(data).lease.claims[0].resource)).toEqual([
      "meanwhile",
      "meanwhile",
      "afterwards",
      "afterwards",
    ]);
    stream.close();
  });

  test("resumes after Last-Event-ID, which goes before the URL, with no gap and nothing twice", async () => {
    const seen: EventSourceMessage[] = [];
    const writing = (async () => {
      for (let index = 0; index < 60; index += 1) await live(`r${index}`);
    })();
    let last: string | undefined;
    while (seen.length < 120) {
      const stream = await follow("", last);
      const wanted = Math.min(7, 120 - seen.length);
      await until(() => stream.messages.length >= wanted);
      stream.close();
      await stream.ended;
      seen.push(...stream.messages);
      last = seen.at(-1)?.id;
    }
    await writing;
    const all = (await server.ask("GET", "/v1/history?limit=1000")).body.events;
    expect(seen.map(({ id }) => id)).toEqual(all.map(({ cursor }: LeaseEvent) => cursor));

    const both = await follow("after=end", all[0].cursor);
    await until(() => both.messages.length === 119);
    both.close();
  });

  test("410 before the stream begins, for a cursor that is too old", async () => {
    await live("a");
    const { response } = await follow("", "another.5");
    expect(response.status).toBe(410);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
  });

  test("a cursor that becomes too old on the way is told as a last event", async () => {
    const backend = memoryBackend();
    const pruned: LeaseBackend = {
      ...backend,
      // As good when the stream is opened, and pruned by the time it is read.
      changes: (options) =>
        backend.changes(options.follow === true ? { ...options, after: "another.1" } : options),
    };
    await server.close();
    server = await startServer({ backend: pruned });
    const stream = await follow();
    await stream.ended;
    expect(stream.messages).toMatchObject([{ event: "problem" }]);
    expect(JSON.parse(stream.messages[0]?.data ?? "")).toMatchObject({ code: "CURSOR_EXPIRED", status: 410 });
  });

  test("a client that does not read costs no memory: a long history is not read from the store for it", async () => {
    let read = 0;
    const backend = memoryBackend();
    const endless: LeaseBackend = {
      ...backend,
      async *changes({ follow: live, after, signal }) {
        if (after !== undefined) return yield* backend.changes({ after, follow: live, signal });
        for await (const event of backend.changes({})) {
          // The first look is of one event.
          for (read = 0; !signal?.aborted; read += 1) yield event;
        }
      },
    };
    await server.close();
    server = await startServer({ backend: endless });
    await server.ask("POST", "/v1/leases", {
      agentId: "a",
      resources: ["r"],
      metadata: { text: "x".repeat(4000) },
    });

    const socket = connect(server.port, "127.0.0.1").pause();
    socket.write("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await until(() => read > 10);
    let [before, looks] = [-1, 0];
    // Until the buffers of both kernels are full, and it has not gone on for half a second.
    await until(async () => {
      looks = read === before ? looks + 1 : 0;
      before = read;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return looks === 5;
    });
    expect(read).toBeLessThan(5_000);
    socket.destroy();
  });

  test("all streams share one reader of the store, which ends with the last of them; draining ends streams", async () => {
    let following = 0;
    const backend = memoryBackend();
    const counted: LeaseBackend = {
      ...backend,
      async *changes(options) {
        if (options.follow === true) following += 1;
        try {
          yield* backend.changes(options);
        } finally {
          if (options.follow === true) following -= 1;
        }
      },
    };
    await server.close();
    server = await startServer({ backend: counted });
    const first = await follow();
    const second = await follow();
    await live("a");
    await until(() => first.messages.length === 2 && second.messages.length === 2);
    expect(following).toBe(1);
    first.close();
    second.close();
    await until(() => following === 0);
    const third = await follow("after=end");
    await until(() => following === 1);
    server.app.drain();
    await third.ended;
    await until(() => following === 0);
    expect((await follow()).response.status).toBe(503);
  });
});
