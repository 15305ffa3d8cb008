import { expect, test } from "vitest";
import { checkQuery } from "../src/backend/check.js";
import { nextPage, pageStart, presentEnd } from "../src/backend/page.js";
import { memoryBackend } from "../src/memory/memory.js";

const found = [{ token: 3 }, { token: 5 }, { token: 8 }];

test("a next page begins after the last token of the page before, with the cursor of the listing", () => {
  const after = nextPage(found, 2, "0198-e.17") ?? "";
  expect(pageStart({ after })).toEqual({ token: 5, cursor: "0198-e.17" });
  expect(() => checkQuery({ after })).not.toThrow();
});

test("without more than a page holds there is no next one", () => {
  expect(nextPage(found, 3, "e.1")).toBeNull();
  expect(nextPage([], 1, "e.1")).toBeNull();
});

test("a first page begins before every token, and its store looks where the history stands", () => {
  expect(pageStart({})).toEqual({ token: 0, cursor: null });
});

test("from the present end only what is new is told, also where nothing was ever written", async () => {
  const backend = memoryBackend();
  const types = async (after: string) => {
    const told: string[] = [];
    for await (const { type } of backend.changes({ after })) told.push(type);
    return told;
  };
  const request = {
    id: "01900000-0000-7000-8000-000000000001",
    agentId: "a",
    claims: [{ resource: "r", mode: "exclusive" }] as const,
    ttlMs: 1000,
    maxRenewals: null,
    wait: "no" as const,
    waitTtlMs: 1000,
    holding: [],
    reason: null,
    metadata: null,
  };
  const untouched = await presentEnd(backend);
  await backend.acquire(request);
  const end = await presentEnd(backend);
  await backend.release([{ kind: "release", id: request.id, agentId: "a" }]);
  expect(await types(untouched)).toEqual(["acquired", "released"]);
  expect(await types(end)).toEqual(["released"]);
});
