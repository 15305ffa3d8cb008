/** Processes under `--unhandled-rejections=strict`, through every fault one after the other. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { startRedis } from "@lease/test-servers";
import { expect, test } from "vitest";
import { closing, info } from "./helpers.js";

const WORKER = fileURLToPath(new URL("busy.worker.ts", import.meta.url));

test("through all of it no rejection is unhandled, and after close() nothing keeps the process or a connection", async () => {
  const server = await startRedis();
  closing({ close: () => server.stop() });
  const workers = [startWorker(server.url), startWorker(server.url)];
  for (const { ready } of workers) await ready;

  const faults: (() => Promise<unknown>)[] = [
    () => server.command("SCRIPT", "FLUSH"),
    () => server.command("CLIENT", "KILL", "TYPE", "pubsub"),
    () => server.command("CLIENT", "KILL", "TYPE", "normal"),
    async () => {
      server.pause();
      await pause(900);
      server.resume();
    },
    () => server.command("FLUSHALL"),
    async () => {
      await server.kill();
      await pause(300);
      await server.restart();
    },
    () => server.command("CONFIG", "SET", "maxmemory", "1"),
    () => server.command("CONFIG", "SET", "maxmemory", "0"),
  ];
  for (const fault of faults) {
    await pause(150);
    await fault();
  }
  await pause(700);

  for (const worker of workers) worker.end();
  for (const { ended } of workers) {
    const { code, errors, last } = await ended;
    expect(errors).toBe("");
    expect(code).toBe(0);
    expect(JSON.parse(last).grants).toBeGreaterThan(10);
  }
  // Only our own question is left.
  await expect.poll(async () => Number(await info(server, "connected_clients"))).toBe(1);
});

function startWorker(url: string) {
  const child = spawn(
    process.execPath,
    ["--unhandled-rejections=strict", "--no-warnings=ExperimentalWarning", WORKER, url],
    { stdio: ["pipe", "pipe", "pipe"] },
  );
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  let last = "";
  const lines = createInterface(child.stdout);
  lines.on("line", (line) => {
    last = line;
  });
  const exited = once(child, "exit");
  return {
    ready: Promise.race([once(lines, "line"), exited]),
    end: () => child.stdin.end(),
    ended: exited.then(([code]) => ({ code, errors, last })),
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
