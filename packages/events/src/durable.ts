/** Files that outlive a power cut. */
import { open } from "node:fs/promises";

/**
 * Makes it last that a file was made, renamed or removed in a folder: syncing the file alone does not. Systems that
 * cannot open a folder (Windows) take care of it themselves.
 */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => null);
  if (handle === null) return;
  try {
    await handle.sync().catch(() => {});
  } finally {
    await handle.close();
  }
}
