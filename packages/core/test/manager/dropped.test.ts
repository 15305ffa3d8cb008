import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const WORKER = fileURLToPath(new URL("./dropped.worker.ts", import.meta.url));

test("a handle that was dropped without release is warned of, once, and stays held; others are not", async () => {
  const run = promisify(execFile)(process.execPath, ["--expose-gc", "--unhandled-rejections=strict", WORKER]);
  const [report = "", isSame] = (await run).stdout.split("\n");
  expect(JSON.parse(report)).toEqual({
    code: "LEASE_DROPPED",
    message: expect.stringMatching(
      /^The handle of the lease .* on "dropped" was dropped without release\(\)/,
    ),
    held: ["kept", "dropped"],
    isHeld: true,
  });
  expect(isSame).toBe("true");
});
