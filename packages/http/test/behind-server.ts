/** A store behind a real server, which several clients open over HTTP. */
import type { LeaseBackend } from "@lease/core";
import type { StoreFactory } from "@lease/testing";
// By path: the server is an app, which publishes nothing to import.
import { startServer } from "../../../apps/server/test/server.js";
import { httpBackend } from "../src/index.js";

/** A call may take long on a busy machine; what hangs ends by the bound of its case. */
const CALL_TIMEOUT_MS = 60_000;

/** @param decorate - around each client's backend */
export function behindServer(
  open: () => Promise<LeaseBackend>,
  decorate: (backend: LeaseBackend) => LeaseBackend = (backend) => backend,
): StoreFactory {
  return async () => {
    const server = await startServer({ backend: await open() });
    return {
      open: async () => decorate(await httpBackend({ url: server.url, callTimeoutMs: CALL_TIMEOUT_MS })),
      close: () => server.close(),
    };
  };
}
