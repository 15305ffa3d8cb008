/** One of the eight processes: does its edits one after the other, and tells of each that is done. */
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import type { Pace } from "./editor.js";
import { type Edit, editsOf, type Job, type WorkerMessage } from "./scenario.js";
import { editorWithLeases } from "./with-leases.js";
import { editorWithoutLeases } from "./without-leases.js";

const job = JSON.parse(process.argv[2] ?? "null") as Job;

const tell = (message: WorkerMessage) => process.send?.(message);

async function tellAndWait(message: WorkerMessage): Promise<void> {
  const word = once(process, "message");
  tell(message);
  await word;
}

/** A few milliseconds of work between read and write, and the one time that this worker dawdles. */
function paceOf({ number }: Edit): Pace {
  let due = job.accident?.edit === number ? job.accident.during : null;
  return async (step) => {
    if (step === "work") await pause(1 + 4 * Math.random());
    if (step !== due) return;
    due = null;
    await tellAndWait({ type: "dawdling" });
  };
}

// Ctrl-C reaches the whole group; the parent decides. Without a parent there is nobody to work for.
process.on("SIGINT", () => {});
const orphaned = () => process.exit(1);
process.once("disconnect", orphaned);

const editor = job.withLeases
  ? editorWithLeases(job, (edit, code) => tell({ type: "redo", edit, code }))
  : editorWithoutLeases(job);

await tellAndWait({ type: "ready" });
for (const edit of editsOf(job.worker)) {
  await editor.edit(edit, paceOf(edit));
  tell({ type: "acknowledged", edit });
}
await editor.close();
// Nothing keeps it alive now but the channel.
process.off("disconnect", orphaned);
process.disconnect();
