import type {} from "@lease/testing";
import Database from "better-sqlite3";
import { expect, test } from "vitest";

test("the driver's binary loads on the workspace's Node", () => {
  const db = new Database(":memory:");
  expect(db.prepare("select 1 as one").get()).toEqual({ one: 1 });
  db.close();
});
