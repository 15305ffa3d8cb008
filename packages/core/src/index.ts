/**
 * `@lease/core`: for those who hold leases. The lease model, the manager, fencing, and the backend in memory. Those who
 * write a store find the contract and its tools in `@lease/core/backend`.
 *
 * @packageDocumentation
 */

export type { LeaseBackend } from "./backend/backend.js";
export { listAll } from "./backend/page.js";
export { type Clock, systemClock } from "./clock.js";
export {
  isLeaseError,
  LEASE_ERROR_CODES,
  LeaseError,
  type LeaseErrorCode,
  type LossError,
} from "./errors.js";
export { admitFence, assertFence, type Fence, type FenceBars, FencingGuard, NO_BARS } from "./fencing.js";
export { createLeaseId } from "./id.js";
export type {
  AcquireOptions,
  LeaseHandle,
  LeaseManager,
  LeaseManagerOptions,
  ManagerEvent,
  Resources,
  TryAcquireResult,
} from "./manager/api.js";
export { findDeadlocks } from "./manager/deadlock.js";
export { DEFAULTS } from "./manager/defaults.js";
export { limitReached, lost } from "./manager/losses.js";
export { createLeaseManager } from "./manager/manager.js";
export { queueForLease } from "./manager/queue.js";
export { unavailable } from "./manager/refusal.js";
export { adaptiveTtl, contentionTtl } from "./manager/ttl.js";
export { waitForLease } from "./manager/wait.js";
export { type MemoryBackendOptions, memoryBackend } from "./memory/memory.js";
export { MAX } from "./model/max.js";
export type {
  Blocker,
  Claim,
  Lease,
  LeaseEvent,
  LeaseEventType,
  Metadata,
  Mode,
  Refusal,
} from "./model/model.js";
export { LEASE_EVENT_TYPES } from "./model/model.js";
