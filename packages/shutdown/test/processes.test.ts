import { openBackend } from "@lease/connect";
import { listAll } from "@lease/core";
import { expect, onTestFinished, test } from "vitest";
import { startWorker, temporaryFolder } from "./support.js";

test.each(["SIGTERM", "SIGINT"] as const)(
  "a second signal exits at once with 128 + its number (%s)",
  async (signal) => {
    const worker = startWorker("stubborn");
    await worker.printed("ready");
    worker.process.kill("SIGTERM");
    await worker.printed("drain");
    worker.process.kill(signal);
    const { code } = await worker.ended();
    expect(code).toBe(signal === "SIGTERM" ? 143 : 130);
    expect(worker.errors()).toBe("");
  },
);

test("a script that ends gives back what it holds", async () => {
  const { url, held } = await store();
  const worker = startWorker("script", url, "end");
  expect(await worker.ended()).toMatchObject({ code: 0 });
  expect(await held()).toBe(0);
  expect(worker.errors()).toBe("");
});

test("with a signal that it was asked to mind, it gives back and dies of the signal", async () => {
  const { url, held } = await store();
  const worker = startWorker("script", url, "signal");
  await worker.printed("ready");
  worker.process.kill("SIGINT");
  expect(await worker.ended()).toMatchObject({ code: null, signal: "SIGINT" });
  expect(await held()).toBe(0);
});

test("taken back it releases nothing", async () => {
  const { url, held } = await store();
  expect(await startWorker("script", url, "taken-back").ended()).toMatchObject({ code: 0 });
  expect(await held()).toBe(1);
});

async function store() {
  const url = `sqlite:${temporaryFolder()}/leases.db`;
  const backend = await openBackend(url);
  onTestFinished(() => backend.close());
  return { url, held: async () => (await listAll(backend, {})).length };
}
