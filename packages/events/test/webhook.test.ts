import { isLeaseError, memoryBackend } from "@lease/core";
import { expect, test } from "vitest";
import { type DeadLetter, eventRouter, memoryCursorStore, webhookSink } from "../src/index.ts";
import { retryAfterMs } from "../src/retry-after.ts";
import { Receiver, SECRET } from "./receiver.ts";
import { acquire, comeAndGo, historyOf, QUICK, reports, until } from "./support.ts";

const OTHER_SECRET = `whsec_${Buffer.alloc(24, 9).toString("base64")}`;

function route(url: string, options: Partial<Parameters<typeof webhookSink>[0]> = {}) {
  const backend = memoryBackend();
  const told = reports();
  const letters: DeadLetter[] = [];
  const router = eventRouter({
    backend,
    sinks: { hook: webhookSink({ url, secrets: [SECRET], ...options }) },
    cursors: memoryCursorStore(),
    backoff: QUICK,
    source: "/lease/test",
    onReport: told.onReport,
    onDeadLetter: (letter) => void letters.push(letter),
  });
  return { backend, router, told, letters };
}

test("an event arrives as a signed CloudEvent in structured JSON mode", async (context) => {
  const receiver = await Receiver.start(context);
  const { backend, router } = route(receiver.url, { headers: { authorization: "Bearer x" } });
  await using _ = router;
  await router.start();
  await acquire(backend, "src/ä b.ts");
  await until(() => expect(receiver.received).toHaveLength(1));
  expect(receiver.unverified).toEqual([]);
  const [{ event, headers } = { event: null, headers: {} }] = receiver.received;
  const [cursor] = await historyOf(backend);
  expect(event).toMatchObject({
    specversion: "1.0",
    id: cursor,
    source: "/lease/test",
    type: "dev.lease.acquired",
    subject: "src/ä b.ts",
    datacontenttype: "application/json",
    data: { cursor, type: "acquired", lease: { agentId: "agent-1" } },
  });
  expect(event?.time).toBe(event?.data?.at);
  expect(headers).toMatchObject({
    "content-type": "application/cloudevents+json; charset=utf-8",
    authorization: "Bearer x",
    // Its dot would let a part of the id pass for the timestamp.
    "webhook-id": cursor?.replace(".", "%2E"),
  });
});

test("while a secret is changed both sign", async (context) => {
  const receiver = await Receiver.start(context);
  let secrets = [OTHER_SECRET];
  const { backend, router } = route(receiver.url, { secrets: () => secrets });
  await using _ = router;
  await router.start();
  await acquire(backend, "a");
  await until(() => expect(receiver.unverified).toHaveLength(1));
  secrets = [OTHER_SECRET, SECRET];
  await acquire(backend, "b");
  await until(() => expect(receiver.received).toHaveLength(1));
  expect(receiver.received[0]?.headers["webhook-signature"]).toMatch(/^v1,\S+ v1,\S+$/);
});

test("5xx, 408, 429 and 3xx are tried again with the same id, and Retry-After is honoured", async (context) => {
  const receiver = await Receiver.start(context);
  const statuses = [503, 408, 302, 429, 200];
  receiver.answer = (response, count) => {
    const status = statuses[count - 1] ?? 200;
    response
      .writeHead(status, { location: "/elsewhere", ...(status === 429 && { "retry-after": "1" }) })
      .end("x");
  };
  const { backend, router, told } = route(receiver.url);
  await using _ = router;
  await router.start();
  await acquire(backend, "a");
  await until(() => expect(receiver.received).toHaveLength(5));
  expect(new Set(receiver.cursors).size).toBe(1);
  expect(new Set(receiver.received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
  expect(told.of("retrying").map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
  expect(told.of("retrying")[3]?.retryInMs).toBe(1_000);
  expect(told.of("retrying")[2]?.retryInMs).toBeLessThan(100);
});

test("another 4xx is a dead letter, and what follows goes on", async (context) => {
  const receiver = await Receiver.start(context);
  receiver.answer = (response, count) => void response.writeHead(count === 2 ? 422 : 200).end();
  const { backend, router, told, letters } = route(receiver.url);
  await using _ = router;
  await router.start();
  await comeAndGo(backend, 2);
  await until(() => expect(receiver.received).toHaveLength(4));
  const all = await historyOf(backend);
  expect(letters).toMatchObject([
    {
      sink: "hook",
      attempts: 1,
      events: [{ cursor: all[1] }],
      error: { message: "The receiver answered 422." },
    },
  ]);
  expect(told.all).toMatchObject([{ type: "dead-letter", sink: "hook", cursors: [all[1]] }]);
});

test("a dead-letter handler that fails is asked again: the event is not lost", async (context) => {
  const receiver = await Receiver.start(context);
  receiver.answer = (response) => void response.writeHead(400).end();
  const backend = memoryBackend();
  const told = reports();
  let asked = 0;
  await using router = eventRouter({
    backend,
    sinks: { hook: webhookSink({ url: receiver.url, secrets: [SECRET] }) },
    cursors: memoryCursorStore(),
    backoff: QUICK,
    onReport: told.onReport,
    onDeadLetter: async () => {
      asked += 1;
      if (asked < 3) throw new Error("queue down");
    },
  });
  await router.start();
  await acquire(backend, "a");
  await until(() => expect(told.of("dead-letter")).toHaveLength(1));
  expect(told.of("dead-letter-failed")).toHaveLength(2);
});

test("nobody takes dead letters: the route stops at the event instead of losing it", async (context) => {
  const receiver = await Receiver.start(context);
  receiver.answer = (response) => void response.writeHead(400).end();
  const backend = memoryBackend();
  const cursors = memoryCursorStore();
  const told = reports();
  await using router = eventRouter({
    backend,
    sinks: { hook: webhookSink({ url: receiver.url, secrets: [SECRET] }) },
    cursors,
    onReport: told.onReport,
  });
  await router.start();
  await comeAndGo(backend, 2);
  await until(() => expect(told.all).toMatchObject([{ type: "stopped", why: "refused" }]));
  expect(await cursors.load("hook")).toBeNull();
  await router.stop();
  receiver.answer = (response) => void response.writeHead(200).end();
  await router.start();
  await until(() => expect(receiver.received).toHaveLength(5));
});

test("a receiver that does not answer costs the timeout; after maxAttempts it is a dead letter", async (context) => {
  const receiver = await Receiver.start(context);
  receiver.answer = () => {};
  const backend = memoryBackend();
  const letters: DeadLetter[] = [];
  await using router = eventRouter({
    backend,
    sinks: { hook: webhookSink({ url: receiver.url, secrets: [SECRET], timeoutMs: 50 }) },
    cursors: memoryCursorStore(),
    backoff: QUICK,
    maxAttempts: 2,
    onReport: () => {},
    onDeadLetter: (letter) => void letters.push(letter),
  });
  await router.start();
  await acquire(backend, "a");
  await until(() => expect(letters).toMatchObject([{ attempts: 2, error: { name: "TimeoutError" } }]));
});

test("Retry-After takes seconds or a date, and never puts a route to sleep for long", () => {
  expect(retryAfterMs(null)).toBeUndefined();
  expect(retryAfterMs("3")).toBe(3_000);
  expect(retryAfterMs("soon")).toBeUndefined();
  expect(retryAfterMs("99999999999")).toBe(3_600_000);
  expect(retryAfterMs(new Date(Date.now() - 5_000).toUTCString())).toBe(0);
  const inTenMinutes = retryAfterMs(new Date(Date.now() + 600_000).toUTCString()) ?? 0;
  expect(inTenMinutes).toBeGreaterThan(500_000);
  expect(inTenMinutes).toBeLessThanOrEqual(600_000);
});

test("what could never work is refused at once, and no secret is shown", () => {
  const good = { url: "https://example.com/hook", secrets: [SECRET] };
  const refusal = (options: object): unknown => {
    try {
      return webhookSink({ ...good, ...options });
    } catch (error) {
      return error;
    }
  };
  const field = (options: object) => {
    const error = refusal(options);
    return isLeaseError(error, "INVALID_ARGUMENT") ? error.details.field : error;
  };
  expect(field({ url: "ftp://example.com" })).toBe("url");
  expect(field({ url: "https://user:pass@example.com" })).toBe("url");
  expect(field({ url: "nowhere" })).toBe("url");
  expect(field({ headers: { "bad header": "x" } })).toBe("headers");
  expect(field({ secrets: [] })).toBe("secrets");
  expect(field({ secrets: ["whsec_c2hvcnQ="] })).toBe("secrets");
  expect(String(refusal({ secrets: ["whsec_c2hvcnQ="] }))).not.toContain("c2hvcnQ");
  expect(field({ timeoutMs: 0 })).toBe("timeoutMs");
});
