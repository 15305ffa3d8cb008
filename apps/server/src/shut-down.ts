/** The way out: drain, then close, each within its time. */
import { setTimeout } from "node:timers/promises";
import type { LeaseBackend } from "@lease/core";
import type { App } from "./app.js";

const LOOK_EVERY_MS = 100;

/**
 * Stops granting at once, lets holders renew and release for up to `drainMs` (as long as anybody holds anything), then
 * closes; what is still open after `closeMs` is cut off.
 */
export async function shutDown(
  app: App,
  backend: LeaseBackend,
  times: { readonly drainMs: number; readonly closeMs: number },
): Promise<void> {
  const { drainMs, closeMs } = times;
  app.drain();
  const drainUntil = performance.now() + drainMs;
  while (performance.now() < drainUntil && (await isAnythingHeld(backend))) await setTimeout(LOOK_EVERY_MS);
  const cutOff = globalThis.setTimeout(() => app.http.server.closeAllConnections(), closeMs);
  await app.close();
  clearTimeout(cutOff);
}

async function isAnythingHeld(backend: LeaseBackend): Promise<boolean> {
  const { leases } = await backend.list({ state: "active", limit: 1 }).catch(() => ({ leases: [] }));
  return leases.length > 0;
}
