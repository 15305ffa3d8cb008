/**
 * What takes processes of its own. Above all what the package is for: a receiver that is away, a router that is killed, and
 * no event missing. Mostly these tests wait, so all of them do at once.
 */
import { type ChildProcess, execFile, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openBackend } from "@lease/connect";
import { expect, type TestContext, test } from "vitest";
import { eventRouter, memoryCursorStore } from "../src/index.ts";
import { installExample, TSC } from "./example.ts";
import { allIn } from "./ndjson-files.ts";
import { Receiver, SECRET } from "./receiver.ts";
import { testOnSharedStores } from "./stores.ts";
import { acquire, comeAndGo, historyOf, memorySink, noReport, temporaryFolder, until } from "./support.ts";

const ROUTER = fileURLToPath(new URL("./router.worker.ts", import.meta.url));
const AGENT = fileURLToPath(new URL("./agent.worker.ts", import.meta.url));
const DOWN_MS = 10_000;

testOnSharedStores(
  "receiver down for ten seconds, router killed meanwhile: every event at least once, in order",
  async ({ url, backend }, context) => {
    const receiver = await Receiver.start(context);
    const cursors = temporaryFolder(context);
    const logs = temporaryFolder(context);
    const job = { url, cursors, hook: receiver.url, secret: SECRET, path: join(logs, "events.ndjson") };
    const start = () => startRouter(context, job);
    let router = await start();

    // Killed in the middle of deliveries that succeed …
    const first = comeAndGo(backend, 20);
    await until(() => expect(receiver.received.length).toBeGreaterThan(5));
    await kill(router);
    await first;
    router = await start();
    await until(() => expect(new Set(receiver.cursors).size).toBe(40));

    // … and while the receiver is away: once with events not tried yet, once amid attempts.
    await receiver.down();
    const downAt = performance.now();
    await comeAndGo(backend, 10);
    await kill(router);
    await comeAndGo(backend, 10);
    router = await start();
    await sleep(DOWN_MS / 2);
    await kill(router);
    await comeAndGo(backend, 10);
    router = await start();
    await sleep(DOWN_MS - (performance.now() - downAt));
    const seenBefore = receiver.received.length;
    // Some answers get lost: what was received must come again.
    receiver.answer = (response, count) =>
      count % 7 === 0 ? response.destroy() : response.writeHead(200).end("thank you");
    await receiver.up();

    const expected = await historyOf(backend);
    expect(expected).toHaveLength(100);
    await until(() => expect(new Set(receiver.cursors).size).toBe(100));
    expect(receiver.unverified).toEqual([]);
    expect(seenBefore).toBeLessThan(50);
    expect([...new Set(receiver.cursors)]).toEqual(expected);
    await until(() => expect([...new Set(allIn(logs))]).toEqual(expected));
    // Repeats come in order too: never an event whose predecessor was not there before.
    let furthest = -1;
    for (const cursor of receiver.cursors) {
      const position = expected.indexOf(cursor);
      expect(position).toBeLessThanOrEqual(furthest + 1);
      furthest = Math.max(furthest, position);
    }
    expect(receiver.received.length).toBeGreaterThan(100);
  },
);

testOnSharedStores("what another process does arrives", async ({ url, backend }) => {
  const sink = memorySink();
  await using router = eventRouter({
    backend,
    sinks: { sink },
    cursors: memoryCursorStore(),
    onReport: noReport,
  });
  await router.start();
  const agent = fork(AGENT, [JSON.stringify({ url, resource: "src/app.ts" })]);
  expect(await once(agent, "exit")).toEqual([0, null]);
  await until(() => expect(sink.cursors).toHaveLength(2));
  expect(sink.cursors).toEqual(await historyOf(backend));
});

test.concurrent("the example compiles under strict, runs as pasted, delivers a revoke made elsewhere, and ends", async (context) => {
  const folder = temporaryFolder(context);
  installExample(folder);
  const { stdout } = await promisify(execFile)(process.execPath, [TSC, "--project", folder]).catch((e) => e);
  expect(stdout).toBe("");

  const example = spawn(process.execPath, ["--unhandled-rejections=strict", "example.ts"], { cwd: folder });
  context.onTestFinished(() => void example.kill("SIGKILL"));
  const said = outputOf(example);
  await until(() => expect(said.stdout).toBe("agent-1: acquired\nagent-1: released\n"), 20_000);

  const backend = await openBackend(`sqlite:${folder}/leases.db`);
  context.onTestFinished(() => backend.close());
  const id = await acquire(backend, "src/app.ts");
  await backend.release([{ kind: "revoke", id, by: "operator", reason: null, graceMs: 0 }]);

  await until(() =>
    expect(said.stdout.split("\n").slice(2)).toEqual(["agent-1: acquired", "agent-1: revoked", ""]),
  );
  await until(() => expect(readFileSync(join(folder, "audit.ndjson"), "utf8").split("\n")).toHaveLength(5));
  example.kill("SIGTERM");
  expect(await once(example, "exit")).toEqual([0, null]);
  expect(said.stderr).toBe("");
});

async function startRouter({ onTestFinished }: TestContext, job: object): Promise<ChildProcess> {
  const child = fork(ROUTER, [JSON.stringify(job)]);
  onTestFinished(() => kill(child));
  await new Promise<void>((resolve, reject) => {
    child.on("message", (message) => message === "started" && resolve());
    child.once("exit", () => reject(new Error("The router ended before it had started.")));
  });
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

function outputOf(child: ChildProcess): { stdout: string; stderr: string } {
  const said = { stdout: "", stderr: "" };
  child.stdout?.on("data", (data) => (said.stdout += data));
  child.stderr?.on("data", (data) => (said.stderr += data));
  return said;
}
