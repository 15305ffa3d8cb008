/** Many streams and waiting requests: caps, slow readers, ids of late, and who gets what. */
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { type LeaseBackend, type LeaseEvent, memoryBackend } from "@lease/core";
import { matchesFilters } from "@lease/core/backend";
import { createParser } from "eventsource-parser";
import { afterEach, describe, expect, test } from "vitest";
import { Audience, type Filters } from "../src/events/audience.js";
import { Follower } from "../src/events/follower.js";
import { newId, startServer, type TestServer, until } from "./server.js";

let server: TestServer;
afterEach(() => server?.close());

async function live(resource: string, agentId = "a"): Promise<void> {
  const path = `/v1/leases/${newId()}`;
  const { status } = await server.ask("PUT", path, { agentId, resources: [resource] });
  expect(status).toBe(201);
  await server.ask("DELETE", `${path}?agentId=${agentId}`);
}

interface Read {
  readonly status: number;
  readonly events: LeaseEvent[];
  readonly problems: { code: string }[];
  /** What the client would come back with. */
  lastId(): string | undefined;
  readonly ended: Promise<void>;
  close(): void;
}

async function follow(query = "", lastEventId?: string): Promise<Read> {
  const controller = new AbortController();
  const headers = new Headers(lastEventId === undefined ? {} : { "last-event-id": lastEventId });
  const response = await fetch(`${server.url}/v1/events?${query}`, { headers, signal: controller.signal });
  const events: LeaseEvent[] = [];
  const problems: { code: string }[] = [];
  let lastId: string | undefined;
  const parser = createParser({
    onEvent: ({ event, data }) => void (event === "problem" ? problems : events).push(JSON.parse(data)),
  });
  const read = async () => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      const text = decoder.decode(chunk, { stream: true });
      // The parser says an id only with an event.
      for (const [, id] of text.matchAll(/^id: (.*)$/gm)) lastId = id;
      parser.feed(text);
    }
  };
  const ended = read().catch(() => {});
  return {
    status: response.status,
    events,
    problems,
    lastId: () => lastId,
    ended,
    close: () => controller.abort(),
  };
}

describe("who gets an event", () => {
  const resources = ["a", "a/b", "a/b/c", "ab", "a/**", "a/b/**", "**", "x/y", "x/**"];

  test("the index finds for each filter what the filter itself would", () => {
    const audience = new Audience();
    const filters: Filters[] = [
      {},
      { types: ["released"] },
      ...resources.map((resource) => ({ resource })),
      ...resources.map((resource) => ({ resource, agentId: "one" })),
      { agentId: "one" },
      { agentId: "two", types: ["acquired"] },
      { ids: ["i", "j"] },
      { ids: [] },
    ];
    const channels = filters.map((filter) => audience.channel(filter));
    for (const first of resources) {
      for (const second of resources) {
        for (const [id, agentId, type] of [
          ["i", "one", "acquired"],
          ["k", "two", "released"],
        ] as const) {
          const claims = [...new Set([first, second])].map((resource) => ({
            resource,
            mode: "shared" as const,
          }));
          const lease = { id, agentId, claims } as unknown as LeaseEvent["lease"];
          const event = { type, lease } as LeaseEvent;
          const expected = channels.filter(({ filters: { types, ...rest } }) => {
            return (types?.includes(type) ?? true) && matchesFilters(lease, rest);
          });
          const found = [...audience.of(event)];
          expect(new Set(found)).toEqual(new Set(expected));
          expect(found.length).toBe(expected.length);
        }
      }
    }
  });

  test("streams with the same filters share a channel, and nothing is left of one that ended", () => {
    const audience = new Audience();
    const channel = audience.channel({ resource: "a/b" });
    expect(audience.channel({ resource: "a/b" })).toBe(channel);
    audience.remove(channel);
    const lease = { id: "i", agentId: "one", claims: [{ resource: "a/b", mode: "shared" }] };
    expect([...audience.of({ type: "acquired", lease } as unknown as LeaseEvent)]).toEqual([]);
  });

  test("streams that come and go while much happens: no gap, nothing twice, in order", async () => {
    server = await startServer();
    let writing = true;
    const writers = [0, 1, 2].map(async (writer) => {
      for (let round = 0; writing; round += 1) await live(`w${writer}/r${round % 5}`, `agent-${writer}`);
    });
    const queries = [
      "",
      "agentId=agent-1",
      "resource=w2/**",
      "types=released",
      "resource=w0/r3&types=acquired",
    ];
    const seen = await Promise.all(
      queries.map(async (query) => {
        const events: LeaseEvent[] = [];
        let last: string | undefined;
        for (let visit = 0; visit < 12; visit += 1) {
          const stream = await follow(query, last);
          expect(stream.status).toBe(200);
          await until(() => stream.events.length >= 3 + visit);
          stream.close();
          await stream.ended;
          events.push(...stream.events);
          last = stream.lastId();
        }
        return events;
      }),
    );
    writing = false;
    await Promise.all(writers);
    for (const [index, query] of queries.entries()) {
      const all: string[] = [];
      let after = "";
      do {
        const { body } = await server.ask("GET", `/v1/history?limit=1000&${query}${after}`);
        all.push(...body.events.map(({ cursor }: LeaseEvent) => cursor));
        after = body.next === null ? "" : `&after=${body.next}`;
      } while (after !== "");
      const cursors = (seen[index] as LeaseEvent[]).map(({ cursor }) => cursor);
      expect(cursors).toEqual(all.slice(0, cursors.length));
    }
  });
});

describe("an id of late", () => {
  test("a filtered stream that saw nothing can come back after pruning", async () => {
    server = await startServer({ limits: { heartbeatMs: 20 } });
    await live("before");
    const stream = await follow("after=end&agentId=nobody");
    const beginning = stream.lastId();
    await live("meanwhile");
    const { body } = await server.ask("GET", "/v1/history?limit=1000");
    const newest = body.events.at(-1).cursor;
    await until(() => stream.lastId() === newest);
    expect(newest).not.toBe(beginning);
    stream.close();
    await server.ask("POST", "/v1/sweep", { historyRetentionMs: 0 });
    const again = await follow("agentId=nobody", stream.lastId());
    expect(again.status).toBe(200);
    again.close();
  });

  test("an empty page of the history has a cursor to go on from", async () => {
    server = await startServer();
    await live("a");
    const empty = await server.ask("GET", "/v1/history?agentId=b");
    expect(empty.body).toMatchObject({ events: [], next: null });
    await live("b", "b");
    const { body } = await server.ask("GET", `/v1/history?agentId=b&after=${empty.body.cursor}`);
    expect(body.events.map(({ type }: LeaseEvent) => type)).toEqual(["acquired", "released"]);
    expect(body.cursor).toBe(body.events[1].cursor);
    await server.ask("POST", "/v1/sweep", { historyRetentionMs: 0 });
    const later = await server.ask("GET", `/v1/history?agentId=b&after=${body.cursor}`);
    expect(later.status).toBe(200);
  });
});

describe("bounds", () => {
  test("a page of a selective history looks at so many events at most, and says how far it came", async () => {
    const backend = memoryBackend();
    let read = 0;
    const counted: LeaseBackend = {
      ...backend,
      async *changes(options) {
        for await (const event of backend.changes(options)) {
          read += 1;
          yield event;
        }
      },
    };
    server = await startServer({ backend: counted });
    await live("first");
    const { events } = (await server.ask("GET", "/v1/history?limit=1")).body;
    const request = { ...events[0].lease, wait: "no", waitTtlMs: 1000, metadata: null };
    for (let made = 0; made < 6_000; made += 1) {
      const id = newId();
      await backend.acquire({ ...request, id });
      await backend.release([{ kind: "release", id, agentId: "a" }]);
    }
    await live("rare", "b");
    read = 0;
    const first = await server.ask("GET", "/v1/history?agentId=b");
    expect(first.body.events).toEqual([]);
    expect(first.body.next).toBe(first.body.cursor);
    expect(read).toBeLessThanOrEqual(10_001);
    const second = await server.ask("GET", `/v1/history?agentId=b&after=${first.body.next}`);
    expect(second.body.events.map(({ type }: LeaseEvent) => type)).toEqual(["acquired", "released"]);
    expect(second.body.next).toBeNull();
  });

  test("a client that reads too slowly is cut, after what was kept for it; others are not", async () => {
    const followers: Follower[] = [];
    const http = createServer((_, response) => {
      response.removeHeader("transfer-encoding");
      response.writeHead(200);
      followers.push(new Follower(response, { bufferBytes: 1_000_000, closeMs: 60_000 }));
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const { port } = http.address() as AddressInfo;
    const open = () => {
      const socket = connect(port, "127.0.0.1");
      let received = "";
      socket.on("data", (chunk) => {
        received += chunk;
      });
      socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
      return {
        socket,
        ids: () => [...received.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id)),
        text: () => received,
      };
    };
    const slow = open();
    await until(() => followers.length === 1);
    const quick = open();
    await until(() => followers.length === 2);
    slow.socket.pause();
    let sent = 0;
    for (; !(followers[0] as Follower).isOver; sent += 1) {
      for (const follower of followers) follower.send(`id: ${sent}\ndata: ${"x".repeat(50_000)}\n\n`);
      // The quick one has read all of it.
      await until(() => quick.ids().length === sent + 1);
    }
    slow.socket.resume();
    await until(() => slow.socket.readableEnded);
    expect(slow.text()).toContain("event: problem");
    expect(slow.text()).toContain('"code":"SLOW_READER"');
    // All but the one that was too much, and with an id to resume from.
    expect(slow.ids()).toEqual(Array.from({ length: sent - 1 }, (_, id) => id));
    expect(followers[1]?.isOver).toBe(false);
    http.closeAllConnections();
    http.close();
  });

  test("streams and waiting requests have caps, in all and for an address; asking once has none", async () => {
    server = await startServer({
      limits: { maxStreams: 3, maxStreamsPerAddress: 2, maxPolls: 5, maxPollsPerAddress: 2 },
    });
    await server.ask("PUT", `/v1/leases/${newId()}`, { agentId: "holder", resources: ["r"] });
    const first = await follow();
    const second = await follow();
    const third = await server.ask("GET", "/v1/events");
    expect([first.status, second.status, third.status]).toEqual([200, 200, 503]);
    expect(third.body).toMatchObject({ code: "SERVER_BUSY" });
    expect(third.headers.get("retry-after")).toBe("1");

    const wait = (id: string, signal: AbortSignal) =>
      server.ask("PUT", `/v1/leases/${id}`, { agentId: id, resources: ["r"], waitMs: 60_000 }, { signal });
    const ids = [newId(), newId()];
    const waits = ids.map((id) => ({ id, abort: new AbortController() }));
    const answers = waits.map(({ id, abort }) => wait(id, abort.signal).catch(() => null));
    const queued = async () => (await server.ask("GET", "/v1/leases?state=pending")).body.leases.length;
    await until(async () => (await queued()) === 2);
    const refused = await wait(newId(), AbortSignal.timeout(10_000));
    expect(refused).toMatchObject({ status: 503, body: { code: "SERVER_BUSY" } });
    expect((await server.ask("GET", `/v1/leases/${ids[0]}/turn`)).status).toBe(503);
    // Nothing of the refused one is in the queue, and who does not wait needs no seat.
    expect(await queued()).toBe(2);
    const once = await server.ask("PUT", `/v1/leases/${newId()}`, { agentId: "x", resources: ["r"] });
    expect(once.status).toBe(409);

    // A seat that was left can be taken.
    waits[0]?.abort.abort();
    first.close();
    await until(async () => (await queued()) === 1);
    const again = { id: newId(), abort: new AbortController() };
    answers.push(wait(again.id, again.abort.signal).catch(() => null));
    await until(async () => (await queued()) === 2);
    let fresh = await follow();
    await until(async () => {
      if (fresh.status !== 200) fresh = await follow();
      return fresh.status === 200;
    });
    for (const { abort } of [...waits, again]) abort.abort();
    await Promise.all(answers);
    fresh.close();
    second.close();
  });

  test("where the store's feed breaks, each stream is told why, and the next one begins with a new reader", async () => {
    const backend = memoryBackend();
    let breakNow: (() => void) | undefined;
    const brittle: LeaseBackend = {
      ...backend,
      async *changes(options) {
        if (options.follow !== true) return yield* backend.changes(options);
        await new Promise<void>((resolve) => {
          breakNow = resolve;
          options.signal?.addEventListener("abort", () => resolve());
        });
        throw new Error("broken pipe to the store");
      },
    };
    server = await startServer({ backend: brittle });
    const streams = [await follow(), await follow("agentId=x")];
    await until(() => breakNow !== undefined);
    breakNow?.();
    for (const stream of streams) {
      await stream.ended;
      expect(stream.problems).toMatchObject([{ code: "INTERNAL" }]);
    }
    breakNow = undefined;
    const next = await follow();
    expect(next.status).toBe(200);
    await until(() => breakNow !== undefined);
    next.close();
  });
});
