/**
 * `@lease/etcd`: leases in etcd, where exclusion survives the loss of a machine.
 *
 * @packageDocumentation
 */
export { etcdBackend } from "./backend.js";
export type { EtcdBackendOptions } from "./options.js";
