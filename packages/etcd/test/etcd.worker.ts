/** The module of a process host in the tests: backends of the built package. */
import type { LeaseBackend } from "@lease/core";
import { type EtcdBackendOptions, etcdBackend } from "@lease/etcd";

export function open(options: EtcdBackendOptions): LeaseBackend {
  return etcdBackend(options);
}
