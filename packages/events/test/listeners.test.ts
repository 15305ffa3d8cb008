import { memoryBackend } from "@lease/core";
import { expect, expectTypeOf, test } from "vitest";
import { eventRouter, listenerSink, memoryCursorStore } from "../src/index.ts";
import { comeAndGo, historyOf, noReport, until } from "./support.ts";

test("listeners cannot break each other: one throws, one rejects, one hangs, the others hear everything", async () => {
  const backend = memoryBackend();
  const failures: unknown[] = [];
  const heard: string[] = [];
  const listeners = listenerSink({
    onError: (error, event) => {
      failures.push([(error as Error).message, event.type]);
      throw new Error("the error handler fails too");
    },
  });
  listeners.on("*", () => {
    throw new Error("throws");
  });
  listeners.on("acquired", async () => {
    throw new Error("rejects");
  });
  listeners.on("*", () => new Promise(() => {}));
  listeners.on("*", (event) => heard.push(event.cursor));
  await using router = eventRouter({
    backend,
    sinks: { listeners },
    cursors: memoryCursorStore(),
    onReport: noReport,
  });
  await router.start();
  await comeAndGo(backend, 3);
  const all = await historyOf(backend);
  await until(() => expect(heard).toEqual(all));
  await until(() => expect(failures).toHaveLength(9));
  expect(failures.slice(0, 1)).toEqual([["throws", "acquired"]]);
  expect(failures.filter((failure) => String(failure).startsWith("rejects"))).toHaveLength(3);
});

test("a listener hears the types it asked for, until it is taken away", async () => {
  const backend = memoryBackend();
  const heard: string[] = [];
  const listeners = listenerSink({ onError: noReport as never });
  const off = listeners.on("acquired", (event) => {
    expectTypeOf(event.type).toEqualTypeOf<"acquired">();
    heard.push(event.type);
  });
  listeners.on(["acquired", "released"], (event) => {
    expectTypeOf(event.type).toEqualTypeOf<"acquired" | "released">();
    heard.push(`also ${event.type}`);
  });
  await using router = eventRouter({
    backend,
    sinks: { listeners },
    cursors: memoryCursorStore(),
    onReport: noReport,
  });
  await router.start();
  await comeAndGo(backend, 1);
  await until(() => expect(heard).toEqual(["acquired", "also acquired", "also released"]));
  off();
  await comeAndGo(backend, 1);
  await until(() => expect(heard.slice(3)).toEqual(["also acquired", "also released"]));
});
