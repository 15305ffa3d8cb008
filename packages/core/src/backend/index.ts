/**
 * `@lease/core/backend`: for those who write a store, or what works on one from outside. What a backend answers, what it
 * need not write again, and the steps that a store with transactions runs as they are.
 *
 * @packageDocumentation
 */

export { invalidArgument } from "../errors.js";
export { checkOptions } from "../manager/options.js";
export { MemoryStore } from "../memory/memory-store.js";
export { coveringSubtrees, subtreeBase } from "../model/resource.js";
export { blockersOf, conflicts, firstConflict } from "../model/rule.js";
export { mintToken } from "../model/token.js";
export { humanDuration } from "../text.js";
export {
  type AcquireRequest,
  type AcquireResult,
  type BackendLimits,
  type ChangesOptions,
  DEFAULT_PAGE,
  DEFAULT_SWEEP_LIMIT,
  type LeasePage,
  type LeaseQuery,
  type ReleaseRequest,
  type ReleaseResult,
  type RenewRequest,
  type RenewResult,
  type SweepOptions,
  type SweepResult,
  type TurnRequest,
  type WaitMode,
} from "./backend.js";
export { wholeBatch } from "./batch.js";
export { Bell } from "./bell.js";
export {
  checkAgentId,
  checkChanges,
  checkEndMemory,
  checkInteger,
  checkNumber,
  checkRevoke,
} from "./check.js";
export { closed, defineBackend } from "./define-backend.js";
export { type HistoryPage, type HistorySource, readChanges } from "./feed.js";
export { cursorExpired, formatCursor, type HistoryBounds, positionAfter } from "./history.js";
export { Join, type JoinedCall } from "./join.js";
export type { Ledger, Rival } from "./ledger.js";
export { nextPage, pageOf, pageStart, presentEnd } from "./page.js";
export {
  type Act,
  differentClaims,
  type EndRecord,
  type LeaseRecord,
  leaseOf,
  type Moment,
  matchesFilters,
  notOwner,
  type Obstacle,
  owns,
  refusalOf,
  sameClaims,
  stateAfter,
  timestamp,
} from "./record.js";
export { Steps } from "./steps.js";
export { type TurnCheck, Turns } from "./turns.js";
