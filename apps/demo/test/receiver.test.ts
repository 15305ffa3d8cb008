import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { Receiver } from "../src/receiver.js";

const STOPS_INSIDE_A_STEP = `
  import { writeSync } from "node:fs";
  import Database from "better-sqlite3";
  const database = new Database(process.argv[1]);
  database.exec("BEGIN IMMEDIATE");
  writeSync(1, "inside");
  process.kill(process.pid, "SIGSTOP");
  database.exec("COMMIT");
`;

const older = { token: 1 };
const newer = { token: 2 };

let root: string;
let path: string;
let receiver: Receiver;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "lease-receiver-"));
  path = join(root, "receiver.db");
  writeFileSync(join(root, "plan.md"), "one\n");
  Receiver.create(path);
  receiver = new Receiver({ root, path });
  return () => {
    receiver.close();
    rmSync(root, { recursive: true });
  };
});

const text = () => readFileSync(join(root, "plan.md"), "utf8");

describe("the receiver", () => {
  test("takes what a holder writes, also twice", async () => {
    expect(await receiver.read("plan.md", older)).toBe("one\n");
    await receiver.write("plan.md", older, "one\ntwo\n");
    await receiver.write("plan.md", older, "one\ntwo\nthree\n");
    expect(text()).toBe("one\ntwo\nthree\n");
  });

  test("refuses a stale write from the moment its successor has read, not only once that one writes", async () => {
    await receiver.read("plan.md", older);
    await receiver.read("plan.md", newer);
    await expect(receiver.write("plan.md", older, "stale\n")).rejects.toMatchObject({
      code: "FENCED",
      details: { thing: "plan.md", token: 1, bar: 2 },
    });
    await expect(receiver.read("plan.md", older)).rejects.toMatchObject({ code: "FENCED" });
    expect(text()).toBe("one\n");
  });

  test("keeps the bars of each file apart", async () => {
    writeFileSync(join(root, "ideas.md"), "");
    await receiver.read("ideas.md", newer);
    await receiver.write("plan.md", older, "two\n");
    expect(text()).toBe("two\n");
  });

  test.each(["SIGCONT", "SIGKILL"] as const)(
    "waits for a process stopped inside a step, until %s",
    async (signal) => {
      const stopped = spawn(process.execPath, ["--input-type=module", "-e", STOPS_INSIDE_A_STEP, path], {
        cwd: import.meta.dirname,
        stdio: ["ignore", "pipe", "inherit"],
      });
      onTestFinished(() => void stopped.kill("SIGKILL"));
      await once(stopped.stdout, "data");

      let written = false;
      const writing = receiver.write("plan.md", older, "two\n").then(() => {
        written = true;
      });
      // The event loop goes on meanwhile: blocked, this timer would fire only once it is written.
      await pause(100);
      expect(written).toBe(false);
      expect(text()).toBe("one\n");

      stopped.kill(signal);
      await writing;
      expect(text()).toBe("two\n");
    },
  );

  test("a step that fails leaves the bars as they were, and can be tried again", async () => {
    await expect(receiver.write("no/such/folder.md", newer, "")).rejects.toMatchObject({ code: "ENOENT" });
    await expect(receiver.write("no/such/folder.md", older, "")).rejects.toMatchObject({ code: "ENOENT" });
  });
});
