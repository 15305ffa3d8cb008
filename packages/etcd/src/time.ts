/** How long leases have left. etcd answers in whole seconds, rounded down, and one of them is ours to spare. */
import type { Context } from "./context.js";
import type { FoundLease } from "./record.js";

/** What a holder may believe in: surely not more than is left. `null` when the lease is gone. */
export async function holderLeftMs({ leases, cache }: Context, lease: FoundLease): Promise<number | null> {
  const left = await leases.remaining(lease.etcdLease, 0);
  if (left < 0) return null;
  const read = Math.max(0, left - 1) * 1000;
  // This client's own keep-alives are known to the millisecond.
  const own = cache.etcdLease(lease.etcdLease);
  return own === undefined ? read : Math.max(read, own.sentAt + own.termS * 1000 - performance.now());
}

/** What is left of a soft revoke's grace: 0 when it is over, or when there is none. */
export async function graceLeftMs({ leases }: Context, { revoking }: FoundLease): Promise<number> {
  if (revoking === null) return 0;
  const left = await leases.remaining(revoking.graceLease, 0);
  return left < 0 ? 0 : Math.min(revoking.graceMs, (left + 1) * 1000);
}
