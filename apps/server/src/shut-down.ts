/** The way out of a server whose holders are its clients, as the parts that `gracefulShutdown` puts in order. */
import { setTimeout } from "node:timers/promises";
import type { LeaseBackend } from "@lease/core";
import type { ShutdownServer } from "@lease/shutdown";
import type { App } from "./app.js";

const LOOK_EVERY_MS = 100;

export interface WayOut {
  /** How long answers under way may take once nothing new is taken; what is still open then is cut off. */
  readonly closeMs: number;
  /** Aborts when there is no time for draining. */
  readonly hurry: AbortSignal;
}

/** Stops granting at once, lets holders renew and release for as long as anybody holds anything, then closes. */
export function wayOut(app: App, backend: LeaseBackend, { closeMs, hurry }: WayOut): ShutdownServer {
  return {
    async drain({ signal }) {
      app.drain();
      const over = AbortSignal.any([signal, hurry]);
      while (!over.aborted && (await isAnythingHeld(backend))) {
        await setTimeout(LOOK_EVERY_MS, null, { signal: over }).catch(() => {});
      }
    },
    async close() {
      const cutOff = globalThis.setTimeout(() => app.http.server.closeAllConnections(), closeMs);
      await app.close();
      clearTimeout(cutOff);
    },
  };
}

async function isAnythingHeld(backend: LeaseBackend): Promise<boolean> {
  const { leases } = await backend.list({ state: "active", limit: 1 }).catch(() => ({ leases: [] }));
  return leases.length > 0;
}
