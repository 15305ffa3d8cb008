/** The same for browsers, over `fetch`: without `ca`, and no failure is known not to have reached the server. */
import type { LeaseBackend } from "@lease/core";
import { type HttpBackendOptions, overTransport } from "./backend.js";
import { fetchTransport } from "./fetch-transport.js";

export type { HttpBackendOptions } from "./backend.js";

/** As in Node, see the README for what is left out. */
export const httpBackend: (options: HttpBackendOptions) => Promise<LeaseBackend> =
  overTransport(fetchTransport);
