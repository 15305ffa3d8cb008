/** The same edit under a lease: acquire, read, work, ask, write; and whoever was overtaken does it again. */
import { createLeaseManager, isLeaseError } from "@lease/core";
import { fileResource } from "@lease/core/files";
import { sqliteBackend } from "@lease/sqlite";
import type { Editor, Pace } from "./editor.js";
import { Receiver } from "./receiver.js";
import { type Edit, type Job, TTL_MS } from "./scenario.js";

export function editorWithLeases(
  job: Job,
  onRedo: (edit: Edit, code: "LEASE_LOST" | "FENCED") => void,
): Editor {
  const { root, leasesPath, receiverPath, worker } = job;
  const backend = sqliteBackend({ path: leasesPath });
  const leases = createLeaseManager({
    backend,
    agentId: `worker-${worker}`,
    defaults: { ttlMs: TTL_MS, waitMs: Number.POSITIVE_INFINITY },
  });
  const receiver = new Receiver({ root, path: receiverPath });

  async function tryEdit({ file, line }: Edit, pace: Pace): Promise<void> {
    const resource = fileResource(file, { root });
    await using lease = await leases.acquire(resource, { reason: `edit ${line}` });
    const text = await receiver.read(resource, lease);
    // An earlier try got through, and was only told otherwise.
    if (text.split("\n").includes(line)) return;
    await pace("work");
    // Spares a write that would be refused. It cannot replace the fence: this process may be stopped right here.
    lease.assertHeld();
    await pace("write");
    await receiver.write(resource, lease, `${text}${line}\n`);
  }

  return {
    async edit(edit, pace) {
      for (;;) {
        try {
          return await tryEdit(edit, pace);
        } catch (error) {
          if (!isLeaseError(error, "LEASE_LOST", "FENCED")) throw error;
          onRedo(edit, error.code);
        }
      }
    },
    async close() {
      await leases.close();
      await backend.close();
      receiver.close();
    },
  };
}
