/**
 * `@lease/core`: the lease model, the contract for backends, the manager, and the backend in memory.
 *
 * @packageDocumentation
 */

// The contract, and the backend that specifies it
export {
  type AcquireRequest,
  type AcquireResult,
  type BackendLimits,
  type ChangesOptions,
  DEFAULT_PAGE,
  DEFAULT_SWEEP_LIMIT,
  type LeaseBackend,
  type LeasePage,
  type LeaseQuery,
  MAX_PAGE,
  type ReleaseRequest,
  type ReleaseResult,
  type RenewRequest,
  type RenewResult,
  type SweepOptions,
  type SweepResult,
  type TurnRequest,
} from "./backend.js";
export { Bell } from "./bell.js";
// For authors of backends
export {
  checkAcquire,
  checkAgentId,
  checkChanges,
  checkId,
  checkQuery,
  checkRelease,
  checkRenew,
  checkSweep,
  checkTurn,
  MAX_AGENT_ID_BYTES,
  MAX_HOLDING,
  MAX_REASON_BYTES,
} from "./check.js";
export { type CancelTimer, type Clock, systemClock } from "./clock.js";
// Holding leases
export { circleThrough, deadlock, findDeadlock, findDeadlocks, listAll } from "./deadlock.js";
export { DEFAULTS } from "./defaults.js";
// Errors
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
export { type HistoryPage, type HistorySource, readChanges } from "./feed.js";
// The receiving side of fencing tokens
export {
  admitFence,
  assertFence,
  type Fence,
  type FenceBars,
  type FenceVerdict,
  FencingGuard,
  NO_BARS,
} from "./fencing.js";
export type { HandleState, LeaseHandle, ReleaseOutcome } from "./handle.js";
export { cursorExpired, formatCursor, type HistoryBounds, positionAfter } from "./history.js";
export { createLeaseId } from "./id.js";
export { createJanitor, JANITOR_DEFAULTS, type Janitor, type JanitorOptions } from "./janitor.js";
export { endedBefore, type Loss, limitReached, lost } from "./losses.js";
export {
  type AcquireOptions,
  createLeaseManager,
  type HoldSettings,
  type LeaseManager,
  type LeaseManagerOptions,
  type Resources,
  type TryAcquireResult,
} from "./manager.js";
export { type MemoryBackendOptions, memoryBackend } from "./memory.js";
export { MemoryStore } from "./memory-store.js";
// The model and the one rule
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
} from "./model.js";
export { MAX_BLOCKERS, MAX_METADATA_BYTES } from "./model.js";
export {
  createMonitor,
  type Finding,
  MONITOR_DEFAULTS,
  type Monitor,
  type MonitorAct,
  type MonitorOptions,
  type MonitorPolicy,
} from "./monitor.js";
export type { ManagerEvent, ManagerListener } from "./observe.js";
export {
  differentClaims,
  type LeaseRecord,
  leaseOf,
  type Moment,
  matchesFilters,
  notOwner,
  owns,
  type RevokingRecord,
  refusalOf,
  sameClaims,
  timestamp,
} from "./record.js";
export { describeRefusal, unavailable } from "./refusal.js";
export { checkResource, coveringSubtrees, MAX_RESOURCE_BYTES, subtreeBase } from "./resource.js";
export { type RevokeOptions, revokeAgent } from "./revoke.js";
export type { Rounds } from "./rounds.js";
export { blockersOf, conflicts, firstConflict, isLive, overlaps, type Standing } from "./rule.js";
export { mintToken } from "./token.js";
export {
  type AdaptiveTtlOptions,
  adaptiveTtl,
  type LoadSource,
  type TtlPolicy,
  type TtlRequest,
  type WaitersOptions,
  waitersInLine,
} from "./ttl.js";
export { type TurnLook, Turns } from "./turns.js";
export { type Grant, type WaitContext, type WaitOptions, type WaitOutcome, waitForLease } from "./wait.js";
