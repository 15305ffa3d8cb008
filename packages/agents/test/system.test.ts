/** What Linux says, asked of real processes; what macOS says, in the form of its manual. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { ancestry, isAlive, processId, thisSystem } from "../src/index.js";
import { linuxSystem, parseStat } from "../src/system/linux.js";
import { macosSystem, parsePs } from "../src/system/macos.js";

const onLinux = describe.skipIf(process.platform !== "linux");

onLinux("Linux", () => {
  const system = thisSystem();

  test("this process, its parent and its start", () => {
    const facts = system.process(process.pid);
    expect(facts).toMatchObject({ pid: process.pid, parent: process.ppid });
    expect(facts?.startTime).toMatch(/^\d+$/);
    expect([...ancestry(system, process.pid)].map(({ pid }) => pid).slice(0, 2)).toEqual([
      process.pid,
      process.ppid,
    ]);
  });

  test("a child in a session of its own leads its session and group", async () => {
    const child = sleeper({ detached: true });
    expect(system.process(child.pid as number)).toMatchObject({
      group: child.pid,
      session: child.pid,
      tty: null,
      parent: process.pid,
    });
  });

  test("a process that has ended is none, also as a zombie", async () => {
    const child = sleeper();
    const noted = processId(system, child.pid as number);
    expect(noted && isAlive(system, noted)).toBe(true);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(noted && isAlive(system, noted)).toBe(false);
    expect(parseStat("12 (a) Z 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0")).toBe(null);
  });

  test("a pid that was given to another process is not the one that was noted", () => {
    const noted = processId(system, process.pid);
    if (noted === null) expect.unreachable();
    expect(isAlive(system, { ...noted, startTime: "1" })).toBe(false);
    expect(isAlive(system, { ...noted, bootId: "another" })).toBe("unknown");
    expect(isAlive(system, { ...noted, pidNamespace: "pid:[1]" })).toBe("unknown");
  });

  test("a program's name with parentheses, spaces and a newline does not shift the fields", () => {
    const stat = "4711 (a) b (\nc) S 4700 4711 4700 34819 4711 0 0 0 0 0 0 0 0 0 20 0 1 0 588461 0";
    expect(parseStat(stat)).toEqual({
      pid: 4711,
      parent: 4700,
      group: 4711,
      session: 4700,
      tty: "pts3",
      startTime: "588461",
    });
  });

  test("what the system does not show is no process", () => {
    expect(linuxSystem("/nowhere").process(1)).toBe(null);
    expect(parseStat("")).toBe(null);
    expect(parseStat("1 (a) S 0")).toBe(null);
  });

  test("the boot and the pid namespace are the kernel's own", () => {
    expect(system.bootId()).toBe(readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
    expect(system.pidNamespace()).toMatch(/^pid:\[\d+\]$/);
  });

  test("two commands of one shell are one agent, another session is another", () => {
    const script = fileURLToPath(new URL("who.worker.ts", import.meta.url));
    const ask = `"${process.execPath}" "${script}"`;
    const env = { PATH: process.env.PATH };
    const shell = (text: string) =>
      spawnSync("sh", ["-c", 'exec setsid --wait sh -c "$0"', text], { encoding: "utf8", env });
    const { stdout, stderr } = shell(`${ask}; (${ask}) | cat; sh -c '${ask}; :'; setsid --wait ${ask}`);
    expect(stderr).toBe("");
    const [first, subshell, inner, other] = stdout.trim().split("\n");
    expect(first).toMatch(/^script:/);
    expect([subshell, inner]).toEqual([first, first]);
    expect(other).toMatch(/^script:/);
    expect(other).not.toBe(first);
    expect(shell(ask).stdout.trim()).not.toBe(first);
  });

  function sleeper(options = {}): ChildProcess {
    const child = spawn("sleep", ["60"], { stdio: "ignore", ...options });
    onTestFinished(() => {
      child.kill("SIGKILL");
    });
    return child;
  }
});

describe("macOS", () => {
  /** A login shell, an agent and its command, as `ps -o pid=,ppid=,pgid=,stat=,tty=,lstart=` prints them. */
  const PS: Record<string, string> = {
    "501": "  501   500   501 Ss   ttys003  Fri Nov 27 20:52:00 2026    \n",
    "777": "  777   501   777 S+   ttys003  Fri Nov 27 20:53:10 2026    \n",
    "800": "  800   777   777 R+   ttys003  Fri Nov  7 20:53:11 2026    \n",
    "900": "  900     1   900 Ss   ??       Fri Nov 27 09:00:00 2026    \n",
    "901": "  901   900   900 Z    ??       Fri Nov 27 09:00:00 2026    \n",
  };
  const system = macosSystem((program, args) => {
    if (program.endsWith("sysctl")) return "5C2B2F0E-0000-0000-0000-000000000001\n";
    const found = PS[args.at(-1) as string];
    if (found === undefined) throw new Error("Command failed: ps");
    return found;
  });

  test("a command: its terminal, its group, the leader of its session above it", () => {
    expect(system.process(800)).toEqual({
      pid: 800,
      parent: 777,
      group: 777,
      session: 501,
      tty: "ttys003",
      startTime: "Fri Nov  7 20:53:11 2026",
    });
    expect([...ancestry(system, 800)].map(({ pid }) => pid)).toEqual([800, 777, 501]);
  });

  test("one without a terminal leads itself; a zombie and an unknown pid are none", () => {
    expect(system.process(900)).toMatchObject({ session: 900, tty: null });
    expect(system.process(901)).toBe(null);
    expect(system.process(4)).toBe(null);
    expect(parsePs("")).toBe(null);
  });

  test("the boot has an id, and there is one count of pids", () => {
    expect(system.bootId()).toBe("5C2B2F0E-0000-0000-0000-000000000001");
    expect(system.pidNamespace()).toBe(null);
  });
});

test("a system that is not known is refused with what helps", () => {
  expect(() => thisSystem("win32")).toThrow(/set LEASE_AGENT/);
});
