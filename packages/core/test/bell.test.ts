import { expect, test } from "vitest";
import { Bell } from "../src/backend/bell.js";

test("a ring wakes all who wait, once", async () => {
  const bell = new Bell();
  const waits = [bell.wait(), bell.wait()];
  expect(bell.waiting).toBe(true);
  bell.ring();
  await Promise.all(waits);
  expect(bell.waiting).toBe(false);
});

test("a ring is not kept for who comes later", async () => {
  const bell = new Bell();
  bell.ring();
  const controller = new AbortController();
  const wait = bell.wait(controller.signal);
  expect(bell.waiting).toBe(true);
  controller.abort();
  await wait;
});

test("an aborted signal ends the wait without an error and leaves nobody waiting", async () => {
  const bell = new Bell();
  const controller = new AbortController();
  const wait = bell.wait(controller.signal);
  controller.abort();
  await wait;
  expect(bell.waiting).toBe(false);
  await bell.wait(controller.signal);
});

test("close ends every wait with CLOSED, also later ones", async () => {
  const bell = new Bell();
  const wait = bell.wait();
  bell.close();
  await expect(wait).rejects.toMatchObject({ code: "CLOSED" });
  await expect(bell.wait()).rejects.toMatchObject({ code: "CLOSED" });
  expect(bell.waiting).toBe(false);
});
