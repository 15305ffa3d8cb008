/** The README's first example and its user run as they stand there, and its table of options is that of the types. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { again, hold, info, open, queue, release, subscribed, useServer } from "./helpers.js";

const server = useServer();
const here = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(join(here, "README.md"), "utf8");

test("the example holds a lease and ends by itself", async () => {
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  const folder = mkdtempSync(join(here, "test", "example-"));
  try {
    const file = join(folder, "example.ts");
    writeFileSync(file, example.replace("redis://localhost:6379/0", `${server().url}/0`));
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [
      "--unhandled-rejections=strict",
      "--no-warnings",
      file,
    ]);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^held with fencing token \d{16}\n$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
  await expect.poll(() => info(server(), "connected_clients")).toBe("1");
});

test("the user may do all that the backend does, and no more is denied to it", async () => {
  const [, rules = ""] = /^ACL (SETUSER [\s\S]*?)```/m.exec(readme) ?? [];
  await server().command("ACL", ...rules.trim().split(/\s+/));
  const backend = open({
    url: server().url.replace("//", "//lease:password@"),
    namespace: "acl",
  });
  const following = new AbortController();
  const events: string[] = [];
  const followed = (async () => {
    for await (const { type } of backend.changes({ follow: true, signal: following.signal }))
      events.push(type);
  })();
  const held = await hold(backend, "src/a");
  const pending = await queue(backend, "src/a", { agentId: "bob", wait: "hand-off" });
  const turn = backend.turn({ id: pending.id, timeoutMs: 30_000 });
  await subscribed(server(), 1);
  expect(await release(backend, held)).toBe("released");
  await turn;
  expect((await backend.list({ state: "active" })).leases).toMatchObject([{ id: pending.id }]);
  await backend.acquire(again(pending, { wait: "hand-off" }));
  await hold(backend, "docs/**");
  await backend.renew([pending]);
  await backend.list({ resource: "**" });
  await backend.sweep({ historyRetentionMs: 0 });
  await expect.poll(() => events).toContain("renewed");
  following.abort();
  await followed;
  expect(await server().command("ACL", "LOG")).toEqual([]);
});

test("the options are those of the types", () => {
  const source = readFileSync(join(here, "src/backend.ts"), "utf8");
  const declared = /interface RedisBackendOptions \{([\s\S]*?)\n\}/.exec(source)?.[1] ?? "";
  const names = [...declared.matchAll(/readonly (\w+)\?:/g)].map(([, name]) => name);
  const section = readme.split("\n## Options\n")[1]?.split("\n## ")[0] ?? "";
  expect([...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)).toEqual(names);
});
