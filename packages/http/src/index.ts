/**
 * `@lease/http`: leases on a Lease server.
 *
 * @packageDocumentation
 */
import type { LeaseBackend } from "@lease/core";
import { type HttpBackendOptions, overTransport } from "./backend.js";
import { nodeTransport } from "./node-transport.js";

export type { HttpBackendOptions } from "./backend.js";

/**
 * Opens a backend that keeps its leases on a Lease server. Reads the server's limits first.
 *
 * @throws `INVALID_ARGUMENT` for a bad option; `BACKEND_UNAVAILABLE` when the server cannot be reached;
 * `BACKEND_INCOMPATIBLE` when it is no Lease server, wants another token, or speaks another version of the contract
 */
export const httpBackend: (options: HttpBackendOptions) => Promise<LeaseBackend> = overTransport(
  (origin, { ca }) => nodeTransport(origin, ca),
);
