/** What happens to a process in the middle of an edit. */
import type { ChildProcess } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { type Accident, type Acknowledged, editsOf, SIGNAL_AFTER_MS, STOPPED_MS } from "./scenario.js";

/** Alone it keeps no process alive. */
const pause = (ms: number) => setTimeout(ms, undefined, { ref: false });

/** Called when the worker begins to dawdle. */
export async function happen(
  { worker, edit, during, signal }: Accident,
  child: ChildProcess,
  acknowledged: readonly Acknowledged[],
  say: (line: string) => void,
): Promise<void> {
  await pause(SIGNAL_AFTER_MS);
  const moment = during === "work" ? "while it works under a lease" : "with its write on the way";
  if (!child.kill(signal)) return;
  say(`worker ${worker} gets ${signal} ${moment}`);
  if (signal === "SIGKILL") return;
  child.send("go on");

  const heardBefore = acknowledged.length;
  const { file } = editsOf(worker)[edit - 1] ?? {};
  const overtaken = () =>
    acknowledged.slice(heardBefore).some((other) => other.worker !== worker && other.edit.file === file);
  await pause(STOPPED_MS);
  // On a machine that is busy with other things the next holder may need longer.
  for (let tries = 0; tries < 200 && !overtaken(); tries += 1) await pause(50);
  say(`worker ${worker} gets SIGCONT; meanwhile ${file} went ${overtaken() ? "" : "not "}on without it`);
  child.kill("SIGCONT");
}
