import { expect, test } from "vitest";
import { wholeBatch } from "../src/backend/batch.js";
import { LeaseError } from "../src/index.js";

const unavailable = new LeaseError("BACKEND_UNAVAILABLE", "not reached");
const unknown = new LeaseError("OUTCOME_UNKNOWN", "not answered");

test("the answers come in the order of the requests", async () => {
  const late = new Promise<string>((resolve) => setImmediate(resolve, "late"));
  expect(await wholeBatch([late, Promise.resolve("early")])).toEqual(["late", "early"]);
  expect(await wholeBatch([Promise.resolve("alone")])).toEqual(["alone"]);
  expect(await wholeBatch([])).toEqual([]);
});

test("when some requests failed and others did not, the outcome of the batch is unknown", async () => {
  const error = { code: "OUTCOME_UNKNOWN", cause: unavailable };
  const batch = [Promise.reject(unavailable), Promise.resolve(1)];
  await expect(wholeBatch(batch)).rejects.toMatchObject(error);
});

test("when all failed, it is the error that promises least", async () => {
  await expect(wholeBatch([Promise.reject(unavailable)])).rejects.toBe(unavailable);
  await expect(wholeBatch([Promise.reject(unavailable), Promise.reject(unavailable)])).rejects.toBe(
    unavailable,
  );
  await expect(wholeBatch([Promise.reject(unavailable), Promise.reject(unknown)])).rejects.toBe(unknown);
});
