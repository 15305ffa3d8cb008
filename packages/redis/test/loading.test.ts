/** A server that takes its time to load its data: said so within the bound, and nothing more is needed when it has. */
import { type RedisServer, startRedis } from "@lease/test-servers";
import { expect, test } from "vitest";
import { closing, hold, LESS_THAN_DEFAULT_MS, open, request, useServer } from "./helpers.js";

const CALL_MS = 400;
const KEYS = 1_500;
/** Redis waits so long after each key, and looks up from its work after every kilobyte. */
const SLOWLY = ["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"];

const server = useServer();

async function start(): Promise<RedisServer> {
  const slow = await startRedis({ args: SLOWLY });
  closing({ close: () => slow.stop() });
  return slow;
}

const fill = (on: RedisServer) =>
  on.command("EVAL", `for i = 1, ${KEYS} do redis.call('SET', 'other:' .. i, i) end`, 0);

test("restarted with a dump: LOADING is said within the bound, and what was saved is held once it is loaded", async () => {
  const slow = await start();
  const backend = open({ url: slow.url, callTimeoutMs: CALL_MS });
  const held = await hold(backend, "r");
  await fill(slow);
  await slow.command("SAVE");

  const restarted = slow.restart();
  await loading(slow);
  for (let call = 0; call < 2; call += 1) {
    const sent = performance.now();
    await expect(backend.renew([held])).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
      message: expect.stringContaining("loading its data"),
    });
    expect(performance.now() - sent).toBeLessThan(LESS_THAN_DEFAULT_MS);
  }
  // A client that comes for the first time is told the same.
  await expect(open({ url: slow.url, callTimeoutMs: CALL_MS }).list({})).rejects.toMatchObject({
    message: expect.stringContaining("loading its data"),
  });
  await restarted;
  await expect
    .poll(() =>
      backend.renew([held]).then(
        ([result]) => result?.status,
        () => "not yet",
      ),
    )
    .toBe("renewed");
});

test("a server that becomes a replica and loads its master's data: calls on the open connection are refused", async () => {
  const slow = await start();
  await slow.command("CONFIG", "SET", "repl-diskless-load", "disabled");
  const backend = open({ url: slow.url, callTimeoutMs: CALL_MS });
  await hold(backend, "r");
  await fill(server());
  await server().command("CONFIG", "SET", "repl-diskless-sync-delay", "0");
  await slow.command("REPLICAOF", server().host, server().port);
  await loading(slow);
  await expect(backend.acquire(request("s"))).rejects.toMatchObject({
    code: "BACKEND_UNAVAILABLE",
    message: expect.stringContaining("loading its data"),
  });
});

async function loading(on: RedisServer): Promise<void> {
  const state = async () => String(await on.command("INFO", "persistence").catch(() => ""));
  await expect.poll(state, { interval: 10 }).toMatch(/^loading:1/m);
}
