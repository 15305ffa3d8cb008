/**
 * `@lease/core`: the lease model, the contract for backends, the manager, and the backend in memory.
 *
 * @packageDocumentation
 */

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
} from "./backend/backend.js";
export { Bell } from "./backend/bell.js";
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
} from "./backend/check.js";
export { type HistoryPage, type HistorySource, readChanges } from "./backend/feed.js";
export { cursorExpired, formatCursor, type HistoryBounds, positionAfter } from "./backend/history.js";
export { nextPage, type PageStart, pageStart, presentEnd } from "./backend/page.js";
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
} from "./backend/record.js";
export { type TurnLook, Turns } from "./backend/turns.js";
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
export { circleThrough, deadlock, findDeadlock, findDeadlocks, listAll } from "./manager/deadlock.js";
export { DEFAULTS } from "./manager/defaults.js";
export { endedBefore, type Loss, limitReached, lost } from "./manager/losses.js";
export { createLeaseManager } from "./manager/manager.js";
export { describeRefusal, unavailable } from "./manager/refusal.js";
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
export { MemoryStore } from "./memory/memory-store.js";
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
export { MAX_BLOCKERS, MAX_METADATA_BYTES } from "./model/model.js";
export { checkResource, coveringSubtrees, MAX_RESOURCE_BYTES, subtreeBase } from "./model/resource.js";
export { blockersOf, conflicts, firstConflict, isLive, overlaps, type Standing } from "./model/rule.js";
export { mintToken } from "./model/token.js";
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
