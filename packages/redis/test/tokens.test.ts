/** Tokens end at 2^53: a server clock that would push them there is refused, and nothing else is harmed. */
import { expect, test } from "vitest";
import { HEAD } from "../src/scripts/layout.js";
import { hold, open, release, request, useServer } from "./helpers.js";

const server = useServer();
const HASH = "lease:{late}";
const SET_LAST = `
local head = redis.call('HGET', KEYS[1], 'n')
local last = struct.pack('>I7', tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'n', string.sub(head, 1, ${HEAD.last}) .. last .. string.sub(head, ${HEAD.pruned + 1}))`;

test("when the last token is near 2^53 new leases are refused; those that live can be renewed and released", async () => {
  const backend = open({ url: server().url, namespace: "late" });
  const lease = await hold(backend, "r");
  await server().command("EVAL", SET_LAST, "1", HASH, String(2 ** 53 - 2 ** 32));

  await expect(backend.acquire(request("s"))).rejects.toMatchObject({ code: "BACKEND_INCOMPATIBLE" });
  expect((await backend.list({})).leases.map(({ id }) => id)).toEqual([lease.id]);
  expect(await backend.renew([lease])).toMatchObject([{ status: "renewed", lease: { token: lease.token } }]);
  expect(await release(backend, lease)).toBe("released");
  const told: string[] = [];
  for await (const { type } of backend.changes({})) told.push(type);
  expect(told).toEqual(["acquired", "renewed", "released"]);
});

test("tokens above 10^15 come back exactly, to the last digit", async () => {
  const backend = open({ url: server().url, namespace: "exact" });
  const tokens: number[] = [];
  for (let index = 0; index < 50; index += 1) {
    const lease = await hold(backend, `r/${index}`);
    const [listed] = (await backend.list({ ids: [lease.id] })).leases;
    expect(listed?.token).toBe(lease.token);
    expect(await backend.renew([lease])).toMatchObject([{ status: "renewed" }]);
    tokens.push(lease.token);
  }
  expect(tokens.every((token) => token > 1e15 && Number.isSafeInteger(token))).toBe(true);
  expect(tokens.some((token) => token % 10 !== 0)).toBe(true);
  expect([...new Set(tokens)].sort((a, b) => a - b)).toEqual(tokens);
});
