/** The built demo, from start to end: what `npm run demo` shows is what must hold. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";

const MAIN = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const TIMEOUT_MS = 90_000;

beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error("The demo is not built: npx pnpm@12.21.0 run build");
});

function startDemo() {
  const child = spawn(process.execPath, [MAIN], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGTERM"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const code = once(child, "close").then(([exitCode]) => exitCode as number | null);
  return { child, code, output: () => output };
}

/** The numbers of one row of the table: without leases, with leases. */
function row(output: string, name: string): (number | null)[] {
  const line = output.split("\n").find((one) => one.includes(`│ ${name} `)) ?? "";
  const cells = line.split("│").slice(2, 4);
  return cells.map((cell) => (cell.trim() === "" ? null : Number(cell)));
}

const folderIn = (output: string) => / in (\S+)/.exec(output)?.[1] ?? "";

function livingPidsIn(output: string): number[] {
  const pids = [...output.matchAll(/pids ([\d ]+)/g)].flatMap(
    ([, list]) => list?.split(" ").map(Number) ?? [],
  );
  return pids.filter((pid) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  });
}

describe("the demo", () => {
  test(
    "loses updates without leases, and none with them, whoever is killed or stopped",
    async () => {
      const demo = startDemo();
      const code = await demo.code;
      const output = demo.output();

      expect(code, output).toBe(0);
      const [lostWithout, lostWith] = row(output, "acknowledged and lost");
      expect(lostWithout).toBeGreaterThan(0);
      expect(lostWith).toBe(0);
      expect(row(output, "found twice")).toEqual([0, 0]);
      // Seven workers do all their forty edits; the killed one did the nine before its accident.
      expect(row(output, "edits acknowledged")).toEqual([320, 289]);
      // One stopped worker asks and hears of its loss; the other's write arrives, and is refused.
      expect(row(output, "leases run out")[1]).toBeGreaterThanOrEqual(3);
      expect(row(output, "losses noticed by asking")[1]).toBeGreaterThanOrEqual(1);
      expect(row(output, "stale writes refused")[1]).toBeGreaterThanOrEqual(1);
      expect(folderIn(output)).toContain("lease-demo-");
      expect(existsSync(folderIn(output))).toBe(false);
    },
    TIMEOUT_MS,
  );

  test(
    "leaves no process and no file behind when it is interrupted, stopped workers included",
    async () => {
      const demo = startDemo();
      while (!demo.output().includes("gets SIGSTOP")) await pause(20);
      expect(livingPidsIn(demo.output()).length).toBeGreaterThanOrEqual(7);
      demo.child.kill("SIGINT");

      expect(await demo.code, demo.output()).toBe(130);
      expect(livingPidsIn(demo.output())).toEqual([]);
      expect(existsSync(folderIn(demo.output()))).toBe(false);
    },
    TIMEOUT_MS,
  );
});
