/** The module of a process host in the tests: memory backends that live in the child, one for each name. */
import { type LeaseBackend, memoryBackend } from "@lease/core";
import { clientOf } from "@lease/testing";

const shared = new Map<string, LeaseBackend>();

export function open(name: string): LeaseBackend {
  const backend = shared.get(name) ?? memoryBackend();
  shared.set(name, backend);
  return clientOf(backend);
}
