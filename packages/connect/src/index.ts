/**
 * `@lease/connect`: any Lease backend from its URL.
 *
 * @packageDocumentation
 */
export { openBackend } from "./open-backend.js";
export type { OpenBackendOptions } from "./options.js";
