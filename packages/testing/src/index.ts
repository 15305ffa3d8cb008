/**
 * `@lease/testing`: what holds a Lease backend to its contract.
 *
 * @packageDocumentation
 */
export { auditFeed, FeedAudit } from "./audit.js";
export { clientOf } from "./client.js";
export { CaseContext, type ConformanceCase } from "./conformance/context.js";
export { type ConformanceOptions, conformance, conformanceCases } from "./conformance.js";
export { type Exploration, explore } from "./explorer/explore.js";
export { type ClientFault, type ClientPlan, SCENARIOS, type Scenario } from "./explorer/scenario.js";
export {
  type Fault,
  type FaultyBackend,
  type FaultyCall,
  type FaultyOperation,
  type FaultyOptions,
  faulty,
} from "./faulty.js";
export type { Plan } from "./model/plan.js";
export { type ModelTestOptions, modelTest, runPlan } from "./model-test.js";
export { CallLog } from "./oracle/call-log.js";
export { judge } from "./oracle/judge.js";
export type { JudgeLimits, JudgeOptions } from "./oracle/limits.js";
export type { CallOutcome, LoggedCall, LoggedCallOf, LoggedOperation } from "./oracle/log.js";
export type { Verdict, Violation, ViolationKind } from "./oracle/verdict.js";
export { type OracleTestOptions, oracleTest } from "./oracle-test.js";
export { type ProcessHost, type ProcessHostOptions, processHost } from "./process/host.js";
export { acquireRequest } from "./request.js";
export { type SimulatedClock, type SimulatedClockOptions, simulatedClock } from "./simulated-clock.js";
export { type ConformanceStore, type StoreFactory, sharedStore } from "./store.js";
