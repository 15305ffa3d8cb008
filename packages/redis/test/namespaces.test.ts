/** Namespaces know nothing of each other, whatever they and their resources are called. */
import { expect, test } from "vitest";
import { hold, open, request, useServer } from "./helpers.js";

const server = useServer();

const NAMES = [
  "a",
  "a}",
  "{a}",
  "{",
  "}",
  "a:index",
  "a}:index",
  "a:history",
  "a\0b",
  "a%7D",
  "日本",
  " ",
  "*",
  "a?b[c]",
];

test("the same resource is held once in every one of them", async () => {
  const backends = NAMES.map((namespace) => open({ url: server().url, namespace }));
  for (const [index, backend] of backends.entries()) {
    await hold(backend, "r", { agentId: `agent-${index}` });
    await hold(backend, "src/**", { agentId: `agent-${index}` });
  }
  for (const [index, backend] of backends.entries()) {
    const { leases } = await backend.list({});
    expect(leases.map(({ agentId }) => agentId)).toEqual([`agent-${index}`, `agent-${index}`]);
    const refused = await backend.acquire(request("r", { agentId: "bob" }));
    expect(refused).toMatchObject({ status: "refused", blockers: [{ agentId: `agent-${index}` }] });
  }
  const keys = (await server().command("KEYS", "*")) as string[];
  expect(keys).toHaveLength(NAMES.length * 3);
  // In a cluster, all keys of one namespace go by the part in braces.
  for (const key of keys) expect(key).toMatch(/^lease:\{[^{}]+\}(:index|:history)?$/);
});

test("no resource, agent or reason reaches out of its namespace's three keys", async () => {
  await server().command("FLUSHALL");
  const backend = open({ url: server().url, namespace: "n" });
  const names = [
    "n",
    "}",
    "{n}:index",
    "lease:{n}",
    "r",
    "l",
    "o",
    "t",
    "m/**",

    "x".repeat(512),
    "😀/ж",
    "a\\0b",
  ];
  for (const name of names) {
    await hold(backend, name, { agentId: name.slice(0, 200), reason: name, metadata: { name } });
    expect((await backend.list({ agentId: name.slice(0, 200) })).leases).toHaveLength(1);
  }
  expect(((await server().command("KEYS", "*")) as string[]).sort()).toEqual([
    "lease:{n}",
    "lease:{n}:history",
    "lease:{n}:index",
  ]);
});
