/** Answers that are lost after Redis did what was asked: nothing happens twice, and nothing is claimed that is not known. */
import { createLeaseManager } from "@lease/core";
import { expect, test } from "vitest";
import { closing, commandsOf, hold, open, release, request, useServer } from "./helpers.js";
import { startProxy } from "./proxy.js";

const server = useServer();

test("the answer of an acquire is lost: asking again with the same id finds the same lease, acquired once", async () => {
  const proxy = closing(await startProxy(server().port));
  const backend = open({ url: proxy.url, namespace: "lost", callTimeoutMs: 1_000 });
  const witness = open({ url: server().url, namespace: "lost" });
  await hold(backend, "warm");

  const asked = request("r");
  proxy.dropAnswers();
  await expect(backend.acquire(asked)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  const [held] = (await witness.list({ resource: "r" })).leases;
  expect(held).toMatchObject({ id: asked.id, state: "active" });

  proxy.passAnswers();
  const repeat = await backend.acquire(asked);
  expect(repeat).toMatchObject({ status: "granted", repeated: true });
  expect(repeat.status === "granted" && repeat.lease.token).toBe(held?.token);
  const story = [];
  for await (const { type } of witness.changes({ ids: [asked.id] })) story.push(type);
  expect(story).toEqual(["acquired"]);
});

test("the connection is reset before the answer: the command is not sent a second time", async () => {
  const proxy = closing(await startProxy(server().port));
  const backend = open({ url: proxy.url });
  await hold(backend, "warm");
  await backend.list({});
  await server().command("CONFIG", "RESETSTAT");
  proxy.dropAnswers();
  const outcome = expect(backend.acquire(request("r"))).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  await expect.poll(async () => (await commandsOf(server())).get("evalsha") ?? 0).toBe(1);
  proxy.reset();
  await outcome;
  proxy.passAnswers();
  await backend.list({ state: "pending" });
  // One acquire and one list.
  expect((await commandsOf(server())).get("evalsha")).toBe(2);
});

test("through the manager nobody notices: the grant is found, and the lease released with its id buried", async () => {
  const proxy = closing(await startProxy(server().port));
  const backend = open({ url: proxy.url, namespace: "managed", callTimeoutMs: 1_000 });
  const witness = open({ url: server().url, namespace: "managed" });
  await hold(backend, "warm");
  const leases = closing(createLeaseManager({ backend, agentId: "agent-1" }));
  proxy.dropAnswers();
  const acquiring = leases.acquire("r", { waitMs: 10_000 });
  await expect.poll(async () => (await witness.list({ resource: "r" })).leases.length).toBe(1);
  const [granted] = (await witness.list({ resource: "r" })).leases;
  proxy.passAnswers();
  const lease = await acquiring;
  expect(lease.token).toBe(granted?.token);
  expect(await lease.release()).toBe("released");
  expect(await witness.acquire(request("r", { id: lease.id, agentId: "agent-1" }))).toMatchObject({
    status: "ended",
    end: "released",
  });
});

test("a release whose answer was lost says so, and a repeat finds nothing left to release", async () => {
  const proxy = closing(await startProxy(server().port));
  const backend = open({ url: proxy.url, callTimeoutMs: 1_000 });
  const lease = await hold(backend, "r");
  proxy.dropAnswers();
  await expect(release(backend, lease)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  proxy.passAnswers();
  expect(await release(backend, lease)).toBe("not-found");
  await hold(backend, "r", { agentId: "bob" });
});

test("one answer is lost and the next arrive: no call takes the answer of another for its own", async () => {
  const proxy = closing(await startProxy(server().port));
  const backend = open({ url: proxy.url, namespace: "shifted", callTimeoutMs: 1_000 });
  const witness = open({ url: server().url, namespace: "shifted" });
  await hold(witness, "taken");
  await hold(backend, "warm");
  await server().command("CONFIG", "RESETSTAT");

  proxy.dropNextAnswer();
  const free = backend.acquire(request("free")).catch((error: unknown) => error);
  await expect.poll(async () => (await commandsOf(server())).get("evalsha") ?? 0).toBe(1);
  // Its answer would be taken for that of the first; an answer for itself does not come.
  const taken = backend.acquire(request("taken")).catch((error: unknown) => error);
  expect(await free).toMatchObject({ code: "OUTCOME_UNKNOWN" });
  expect(await taken).toMatchObject({ code: "OUTCOME_UNKNOWN" });
  // The connection is replaced, and all is well.
  expect(await backend.acquire(request("taken"))).toMatchObject({ status: "refused" });
  await hold(backend, "after");
});
