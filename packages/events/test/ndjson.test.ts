import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isLeaseError, memoryBackend } from "@lease/core";
import { expect, test } from "vitest";
import { eventRouter, memoryCursorStore, type NdjsonSinkOptions, ndjsonSink } from "../src/index.ts";
import { allIn, idsIn } from "./ndjson-files.ts";
import { testOnStores } from "./stores.ts";
import {
  acquire,
  comeAndGo,
  historyOf,
  noReport,
  QUICK,
  reports,
  temporaryFolder,
  until,
} from "./support.ts";

async function write(backend: ReturnType<typeof memoryBackend>, options: NdjsonSinkOptions) {
  const router = eventRouter({
    backend,
    sinks: { file: ndjsonSink(options) },
    cursors: memoryCursorStore(),
    onReport: noReport,
  });
  await router.start();
  return router;
}

testOnStores("every event is a line, one CloudEvent each", async ({ backend }, context) => {
  const path = join(temporaryFolder(context), "deep/events.ndjson");
  await using _ = await write(backend, { path });
  await comeAndGo(backend, 100);
  const all = await historyOf(backend);
  await until(() => expect(idsIn(path)).toEqual(all));
  expect(JSON.parse(readFileSync(path, "utf8").split("\n")[0] ?? "")).toMatchObject({
    specversion: "1.0",
    type: "dev.lease.acquired",
    subject: "job:0",
    data: { type: "acquired" },
  });
});

test("full files are put away under growing numbers, no line missing", async (context) => {
  const folder = temporaryFolder(context);
  const backend = memoryBackend();
  await using _ = await write(backend, {
    path: join(folder, "events.ndjson"),
    maxBytes: 4_000,
    fsync: "never",
  });
  await comeAndGo(backend, 50);
  const all = await historyOf(backend);
  await until(() => expect(allIn(folder)).toEqual(all));
  const names = readdirSync(folder).sort();
  expect(names.slice(0, 2)).toEqual(["events.000001.ndjson", "events.000002.ndjson"]);
  expect(names.length).toBeGreaterThan(10);
  for (const name of names) expect(readFileSync(join(folder, name)).length).toBeLessThanOrEqual(4_000);
});

test("of the files put away only the newest maxFiles are kept", async (context) => {
  const folder = temporaryFolder(context);
  const backend = memoryBackend();
  await using _ = await write(backend, { path: join(folder, "events.ndjson"), maxBytes: 1, maxFiles: 2 });
  await comeAndGo(backend, 3);
  const all = await historyOf(backend);
  await until(() => expect(idsIn(join(folder, "events.ndjson"))).toEqual(all.slice(-1)));
  expect(readdirSync(folder).sort()).toEqual([
    "events.000004.ndjson",
    "events.000005.ndjson",
    "events.ndjson",
  ]);
  expect(allIn(folder)).toEqual(all.slice(-3));
});

test.for([10, 200_000])(
  "a torn last line of %i bytes is cut off, whole lines stay",
  async (length, context) => {
    const folder = temporaryFolder(context);
    const path = join(folder, "events.ndjson");
    writeFileSync(path, `{"id":"before"}\n${"x".repeat(length)}`);
    const backend = memoryBackend();
    await using _ = await write(backend, { path });
    await acquire(backend, "a");
    const all = await historyOf(backend);
    await until(() => expect(idsIn(path)).toEqual(["before", ...all]));
  },
);

test("a write that fails is made again, and a stopped sink lets go of its file", async (context) => {
  const folder = temporaryFolder(context);
  const path = join(folder, "events.ndjson");
  const backend = memoryBackend();
  const told = reports();
  mkdirSync(path);
  const router = eventRouter({
    backend,
    sinks: { file: ndjsonSink({ path }) },
    cursors: memoryCursorStore(),
    backoff: QUICK,
    onReport: told.onReport,
  });
  await router.start();
  await comeAndGo(backend, 1);
  await until(() => expect(told.of("retrying")[0]?.error).toMatchObject({ code: "EISDIR" }));
  rmdirSync(path);
  const all = await historyOf(backend);
  await until(() => expect(idsIn(path)).toEqual(all));
  await router.stop();

  appendFileSync(path, "torn while nobody writes");
  await router.start();
  await comeAndGo(backend, 1);
  const more = await historyOf(backend);
  await until(() => expect(idsIn(path)).toEqual(more));
  await router.stop();
});

test("options that break a rule are refused by name", () => {
  const field = (options: object) => {
    try {
      ndjsonSink({ path: "x", ...options });
    } catch (error) {
      return isLeaseError(error, "INVALID_ARGUMENT") ? error.details.field : error;
    }
    return "accepted";
  };
  expect(field({ path: "" })).toBe("path");
  expect(field({ maxBytes: 0 })).toBe("maxBytes");
  expect(field({ maxFiles: -1 })).toBe("maxFiles");
  expect(field({ fsync: "always" })).toBe("fsync");
});
