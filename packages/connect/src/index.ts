/**
 * `@lease/connect`: any Lease backend from its URL.
 *
 * @packageDocumentation
 */
export { type OpenBackendOptions, openBackend } from "./open-backend.js";
