/**
 * `@lease/agents`: who claims, and what a person or a model reads of it. Nothing here knows how one product speaks.
 *
 * @packageDocumentation
 */
export {
  type AgentSession,
  findIdentity,
  type Identity,
  type IdentityOptions,
  type IdentitySource,
  sessionName,
  shortAgent,
} from "./identity.js";
export { KNOWN_AGENTS } from "./known-agents.js";
export { ancestry, isAlive, type ProcessId, processId, thisSystem } from "./system/system.js";
export type { ProcessFacts, System } from "./system/types.js";
export {
  lossWords,
  notCoveredWords,
  type Reader,
  refusalWords,
  shortDuration,
  shownResource,
  tooManyWords,
  waitingWords,
} from "./words.js";
