/**
 * `@lease/core`: for those who hold leases. The lease model, the manager, fencing, and the backend in memory. Those who
 * write a store find the contract and its tools in `@lease/core/backend`.
 *
 * @packageDocumentation
 */

export type { LeaseBackend } from "./backend/backend.js";
export { MAX_AGENT_ID_BYTES, MAX_HOLDING, MAX_REASON_BYTES } from "./backend/check.js";
export { type CancelTimer, type Clock, systemClock } from "./clock.js";
export {
  type DeadlockStep,
  isLeaseError,
  LEASE_ERROR_CODES,
  LeaseError,
  type LeaseErrorCode,
  type LeaseErrorDetails,
  type LossCause,
  type LossError,
} from "./errors.js";
export {
  admitFence,
  assertFence,
  type Fence,
  type FenceBars,
  type FenceVerdict,
  FencingGuard,
  NO_BARS,
} from "./fencing.js";
export { createLeaseId } from "./id.js";
export type {
  AcquireOptions,
  CloseOptions,
  HandleState,
  HoldSettings,
  LeaseHandle,
  LeaseManager,
  LeaseManagerOptions,
  ManagerEvent,
  ManagerListener,
  ReleaseOutcome,
  Resources,
  TryAcquireResult,
  TtlPolicy,
  TtlRequest,
} from "./manager/api.js";
export type { Grant, WaitContext } from "./manager/context.js";
export { cycleThrough, deadlock, findDeadlock, findDeadlocks, listAll } from "./manager/deadlock.js";
export { DEFAULTS } from "./manager/defaults.js";
export { endedBefore, type Loss, limitReached, lost } from "./manager/losses.js";
export { createLeaseManager } from "./manager/manager.js";
export { describeRefusal, type RefusalWording, unavailable } from "./manager/refusal.js";
export { type RevokeOptions, revokeAgent } from "./manager/revoke.js";
export {
  type AdaptiveTtlOptions,
  adaptiveTtl,
  type ContentionTtlOptions,
  contentionTtl,
  type LoadSource,
  type WaitersOptions,
  waitersInLine,
} from "./manager/ttl.js";
export {
  type WaitOptions,
  type WaitOutcome,
  waitForLease,
} from "./manager/wait.js";
export { type MemoryBackendOptions, memoryBackend } from "./memory/memory.js";
export type {
  Blocker,
  Claim,
  JsonValue,
  Lease,
  LeaseEnd,
  LeaseEvent,
  LeaseEventType,
  LeaseState,
  Metadata,
  Mode,
  Refusal,
  Revoking,
} from "./model/model.js";
export { LEASE_EVENT_TYPES, MAX_BLOCKERS, MAX_METADATA_BYTES } from "./model/model.js";
export { checkResource, MAX_RESOURCE_BYTES } from "./model/resource.js";
export { createJanitor, JANITOR_DEFAULTS, type Janitor, type JanitorOptions } from "./services/janitor.js";
export {
  createMonitor,
  type Finding,
  MONITOR_DEFAULTS,
  type Monitor,
  type MonitorAct,
  type MonitorOptions,
  type MonitorPolicy,
} from "./services/monitor.js";
export type { Rounds } from "./services/rounds.js";
