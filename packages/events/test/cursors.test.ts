import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fileCursorStore } from "../src/index.ts";
import { Progress } from "../src/progress.ts";
import { gate, temporaryFolder } from "./support.ts";

test("a file cursor is kept whole, and what a crash left beside it does no harm", async (context) => {
  const folder = join(temporaryFolder(context), "made/on/demand");
  const store = fileCursorStore(folder);
  expect(await store.load("hook")).toBeNull();
  await store.save("hook", "epoch.1");
  await store.save("other", "epoch.9");
  await store.save("hook", "epoch.2");
  expect(readdirSync(folder).sort()).toEqual(["hook.cursor", "other.cursor"]);
  expect(readFileSync(join(folder, "hook.cursor"), "utf8")).toBe("epoch.2\n");

  writeFileSync(join(folder, "hook.cursor.new"), "epo");
  const again = fileCursorStore(folder);
  expect(await again.load("hook")).toBe("epoch.2");
  await again.save("hook", "epoch.3");
  expect(await store.load("hook")).toBe("epoch.3");
});

test.for(["", "epoch.1", "two words\n"])(
  "a file that holds no cursor is an error: %j",
  async (content, context) => {
    const folder = temporaryFolder(context);
    writeFileSync(join(folder, "hook.cursor"), content);
    await expect(fileCursorStore(folder).load("hook")).rejects.toMatchObject({ code: "BACKEND_CORRUPT" });
  },
);

test("saves of one route never overlap, and the newest cursor wins", async () => {
  const saved: string[] = [];
  const { open, opened } = gate();
  const store = {
    load: async () => null,
    save: async (_: string, cursor: string) => {
      await opened;
      saved.push(cursor);
    },
  };
  const progress = new Progress(store, "sink", (_, error) => expect.fail(String(error)));
  const first = progress.reached("1");
  await new Promise(setImmediate);
  void progress.reached("2");
  const last = progress.reached("3");
  open();
  await Promise.all([first, last]);
  expect(saved).toEqual(["1", "3"]);
  progress.close();
  await progress.reached("4");
  expect(saved).toEqual(["1", "3"]);
});
