/** Redis forgets its scripts: nobody notices. */
import { expect, test } from "vitest";
import { hold, open, release, useServer } from "./helpers.js";

const server = useServer();

test("SCRIPT FLUSH in the middle of a run: every call is answered, and each is carried out once", async () => {
  const backend = open({ url: server().url });
  let flushing = true;
  const flush = (async () => {
    while (flushing) await server().command("SCRIPT", "FLUSH");
  })();
  let pairs = 0;
  await Promise.all(
    Array.from({ length: 8 }, async (_, worker) => {
      for (let round = 0; round < 40; round += 1) {
        const lease = await hold(backend, `r/${worker}`);
        expect(await release(backend, lease)).toBe("released");
        pairs += 1;
      }
    }),
  );
  flushing = false;
  await flush;
  const told: string[] = [];
  for await (const { type } of backend.changes({})) told.push(type);
  expect(told.filter((type) => type === "acquired")).toHaveLength(pairs);
  expect(told.filter((type) => type === "released")).toHaveLength(pairs);
});

test("a script that somebody else runs for long: typed errors, and all well afterwards", async () => {
  const backend = open({ url: server().url, callTimeoutMs: 400 });
  await hold(backend, "warm");
  await server().command("CONFIG", "SET", "busy-reply-threshold", "50");
  const endless = server()
    .command("EVAL", "while true do end", "0")
    .catch(() => undefined);
  await expect
    .poll(async () =>
      server()
        .command("PING")
        .catch((error: Error) => error.message),
    )
    .toContain("BUSY");
  await expect(hold(backend, "r")).rejects.toMatchObject({
    code: expect.stringMatching(/^(OUTCOME_UNKNOWN|BACKEND_UNAVAILABLE)$/),
  });
  await server().command("SCRIPT", "KILL");
  await endless;
  await hold(backend, "s");
});
