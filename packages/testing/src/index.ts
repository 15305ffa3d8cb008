/**
 * `@lease/testing`: what holds a Lease backend to its contract.
 *
 * @packageDocumentation
 */
export { auditFeed, FeedAudit } from "./audit.js";
export { clientOf } from "./client.js";
export { CaseContext, type ConformanceCase } from "./conformance/context.js";
export { type ConformanceOptions, conformance, conformanceCases } from "./conformance.js";
export { type SimulatedClock, type SimulatedClockOptions, simulatedClock } from "./simulated-clock.js";
export { type ConformanceStore, type StoreFactory, sharedStore } from "./store.js";
