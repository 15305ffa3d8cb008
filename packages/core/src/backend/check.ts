/**
 * Checks of everything that a caller hands to a backend: `defineBackend` calls them, so that a bad argument is refused
 * with the same words everywhere and reaches no store.
 *
 * Every function here throws `INVALID_ARGUMENT` naming the field.
 */

import { invalidArgument } from "../errors.js";
import { MAX } from "../model/max.js";
import { type Claim, LEASE_EVENT_TYPES, type Mode } from "../model/model.js";
import { checkResource, subtreeBase } from "../model/resource.js";
import { hasControlCharacter, utf8Length } from "../text.js";
import type {
  AcquireRequest,
  BackendLimits,
  ChangesOptions,
  LeaseQuery,
  ReleaseRequest,
  RenewRequest,
  SweepOptions,
  TurnRequest,
  WaitMode,
} from "./backend.js";

/** The deepest that metadata may nest, itself being the first level. */
const MAX_METADATA_DEPTH = 16;
/** The longest cursor, in characters. */
const MAX_CURSOR_LENGTH = 200;
/** The longest that any backend remembers how an id ended: a year. */
const MAX_END_MEMORY_MS = 365 * 24 * 3_600_000;

const WAIT_MODES: ReadonlySet<unknown> = new Set<WaitMode>(["no", "queue", "hand-off"]);
const EVENT_TYPES: ReadonlySet<unknown> = new Set(LEASE_EVENT_TYPES);

/** Checks an acquire. @throws `INVALID_ARGUMENT` naming the field that breaks a rule */
export function checkAcquire(request: AcquireRequest, limits: BackendLimits): void {
  checkObject(request, "request");
  checkId(request.id, "id");
  checkAgentId(request.agentId, "agentId");
  checkClaims(request.claims, limits);
  checkTtl(request.ttlMs, "ttlMs", limits);
  if (request.maxRenewals !== null)
    checkInteger(request.maxRenewals, "maxRenewals", 0, Number.MAX_SAFE_INTEGER);
  if (!WAIT_MODES.has(request.wait)) {
    refuse("wait", `must be "no", "queue" or "hand-off"; got ${shown(request.wait)}`);
  }
  checkTtl(request.waitTtlMs, "waitTtlMs", limits);
  checkIds(request.holding, "holding", MAX.holding);
  checkReason(request.reason, "reason");
  checkMetadata(request.metadata);
}

/** Checks a wait. @throws `INVALID_ARGUMENT` naming the field that breaks a rule */
export function checkTurn(wait: TurnRequest): void {
  checkObject(wait, "wait");
  checkId(wait.id, "id");
  checkNumber(wait.timeoutMs, "timeoutMs", 0);
}

/** Checks a renewal. @throws `INVALID_ARGUMENT` naming the field that breaks a rule */
export function checkRenew(requests: readonly RenewRequest[], limits: BackendLimits): void {
  checkList(requests, "requests");
  for (const [index, request] of requests.entries()) {
    const at = `requests[${index}]`;
    checkObject(request, at);
    checkId(request.id, `${at}.id`);
    checkAgentId(request.agentId, `${at}.agentId`);
    checkToken(request.token, `${at}.token`);
    if (request.ttlMs !== undefined) checkTtl(request.ttlMs, `${at}.ttlMs`, limits);
    if (request.renewal !== undefined)
      checkInteger(request.renewal, `${at}.renewal`, 1, Number.MAX_SAFE_INTEGER);
  }
}

/** Checks a release. @throws `INVALID_ARGUMENT` naming the field that breaks a rule */
export function checkRelease(requests: readonly ReleaseRequest[]): void {
  checkList(requests, "requests");
  for (const [index, request] of requests.entries()) {
    const at = `requests[${index}]`;
    checkObject(request, at);
    checkId(request.id, `${at}.id`);
    switch (request.kind) {
      case "release":
        checkAgentId(request.agentId, `${at}.agentId`);
        checkToken(request.token, `${at}.token`);
        break;
      case "abandon":
        checkAgentId(request.agentId, `${at}.agentId`);
        break;
      case "revoke":
        checkRevoke(request, `${at}.`);
        break;
      default:
        refuse(`${at}.kind`, 'must be "release", "abandon" or "revoke"');
    }
  }
}

/** What a revoke says, whichever lease it is about. */
export function checkRevoke(
  revoke: Pick<Extract<ReleaseRequest, { kind: "revoke" }>, "by" | "reason" | "graceMs">,
  at: string,
): void {
  checkAgentId(revoke.by, `${at}by`);
  checkReason(revoke.reason, `${at}reason`);
  checkInteger(revoke.graceMs, `${at}graceMs`, 0, MAX.ttlMs);
}

/** Checks a listing. @throws `INVALID_ARGUMENT` naming the filter that breaks a rule */
export function checkQuery(query: LeaseQuery): void {
  checkObject(query, "query");
  checkFilters(query);
  if (query.state !== undefined && query.state !== "pending" && query.state !== "active") {
    refuse(
      "state",
      'must be "pending" or "active": only live leases are listed, the history tells of the others',
    );
  }
  if (query.limit !== undefined) checkInteger(query.limit, "limit", 1, MAX.page);
  if (query.after !== undefined && !isNext(query.after)) {
    refuse("after", "must be the `next` of an earlier page");
  }
}

/** A token and the cursor of its listing, as `nextPage` writes them. */
function isNext(after: unknown): boolean {
  return typeof after === "string" && after.length <= 17 + MAX_CURSOR_LENGTH && /^\d{1,16}~\S+$/.test(after);
}

/** Checks a sweep. @throws `INVALID_ARGUMENT` naming the option that breaks a rule */
export function checkSweep(options: SweepOptions): void {
  checkObject(options, "options");
  if (options.historyRetentionMs !== undefined)
    checkNumber(options.historyRetentionMs, "historyRetentionMs", 0);
  if (options.limit !== undefined) checkInteger(options.limit, "limit", 1, Number.MAX_SAFE_INTEGER);
}

/** Checks a reading of changes. @throws `INVALID_ARGUMENT` naming the option that breaks a rule */
export function checkChanges(options: ChangesOptions): void {
  checkObject(options, "options");
  checkFilters(options);
  if (options.after !== undefined) checkString(options.after, "after", MAX_CURSOR_LENGTH);
  if (options.background !== undefined) checkBoolean(options.background, "background");
  if (options.types !== undefined) checkList(options.types, "types");
  for (const type of options.types ?? []) {
    if (!EVENT_TYPES.has(type))
      refuse("types", `must be of ${LEASE_EVENT_TYPES.join(", ")}; got ${shown(type)}`);
  }
}

/** A lease id: a UUID in lower case, so that one id has one spelling. */
export function checkId(id: unknown, field: string): asserts id is string {
  if (typeof id !== "string" || !/^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/.test(id)) {
    refuse(field, "must be a UUID in lower case, such as createLeaseId() makes");
  }
}

/** Names an agent: 1 to `MAX.agentIdBytes` bytes, no control characters. */
export function checkAgentId(agentId: unknown, field: string): asserts agentId is string {
  if (agentId === "") refuse(field, "must not be empty");
  checkString(agentId, field, MAX.agentIdBytes);
}

/** Names what a fenced write changes: 1 to `MAX.resourceBytes` bytes, and no subtree. */
export function checkThing(thing: unknown, field: string): asserts thing is string {
  if (thing === "") refuse(field, "must not be empty");
  checkString(thing, field, MAX.resourceBytes);
  if (subtreeBase(thing) !== null) {
    refuse(field, `is the claim "${thing}": bars belong to each single thing written below it`);
  }
}

export function checkTtl(ttlMs: unknown, field: string, limits: BackendLimits): void {
  checkInteger(ttlMs, field, limits.minTtlMs, MAX.ttlMs);
}

function checkReason(reason: unknown, field: string): void {
  if (reason !== null) checkString(reason, field, MAX.reasonBytes);
}

function checkClaims(claims: readonly Claim[], limits: BackendLimits): void {
  if (!Array.isArray(claims) || claims.length === 0) refuse("claims", "must be a list of at least one claim");
  if (claims.length > limits.maxClaims) {
    refuse(
      "claims",
      `lists ${claims.length} claims, more than ${limits.maxClaims}: claim a subtree ("src/**") instead`,
    );
  }
  const seen = new Set<string>();
  for (const [index, claim] of claims.entries()) {
    const field = `claims[${index}]`;
    checkResource(claim?.resource, `${field}.resource`);
    checkMode(claim.mode, `${field}.mode`);
    if (seen.has(claim.resource)) refuse(`${field}.resource`, `names "${claim.resource}" a second time`);
    seen.add(claim.resource);
  }
}

export function checkMode(mode: unknown, field: string): asserts mode is Mode {
  if (mode !== "exclusive" && mode !== "shared") refuse(field, 'must be "exclusive" or "shared"');
}

function checkFilters(filters: LeaseQuery | ChangesOptions): void {
  if (filters.ids !== undefined) checkIds(filters.ids, "ids", MAX.page);
  if (filters.agentId !== undefined) checkAgentId(filters.agentId, "agentId");
  if (filters.resource !== undefined) checkResource(filters.resource, "resource");
}

function checkIds(ids: unknown, field: string, most: number): void {
  checkList(ids, field);
  if (ids.length > most) refuse(field, `lists ${ids.length} ids, more than ${most}`);
  for (const [index, id] of ids.entries()) checkId(id, `${field}[${index}]`);
}

function checkToken(token: unknown, field: string): void {
  if (token !== undefined) checkInteger(token, field, 1, Number.MAX_SAFE_INTEGER);
}

function checkMetadata(metadata: unknown): void {
  if (metadata === null) return;
  if (typeof metadata !== "object" || Array.isArray(metadata))
    refuse("metadata", "must be a JSON object or null");
  if (!isPlainJson(metadata, 0))
    refuse("metadata", `must hold plain JSON values only, at most ${MAX_METADATA_DEPTH} levels deep`);
  const bytes = utf8Length(JSON.stringify(metadata));
  if (bytes > MAX.metadataBytes)
    refuse("metadata", `takes ${bytes} bytes as JSON, more than ${MAX.metadataBytes}`);
}

/** Whether a value comes out of JSON as it went in. The bound on depth also ends cycles. */
function isPlainJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === "boolean") return true;
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  if (typeof value !== "object" || depth >= MAX_METADATA_DEPTH) return false;
  // A copy: a hole, which `every` would pass over, becomes `undefined`.
  if (Array.isArray(value)) return [...value].every((item) => isPlainJson(item, depth + 1));
  // Plain also when made in another realm (a vm context, as test runners use), whose Object.prototype is its own.
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return false;
  return Object.entries(value).every(([key, item]) => key.isWellFormed() && isPlainJson(item, depth + 1));
}

function checkString(value: unknown, field: string, maxBytes: number): asserts value is string {
  if (typeof value !== "string") refuse(field, "must be a string");
  if (!value.isWellFormed()) refuse(field, "contains half a surrogate pair: pass well-formed Unicode");
  if (hasControlCharacter(value)) refuse(field, "contains a control character");
  const bytes = utf8Length(value);
  if (bytes > maxBytes) refuse(field, `takes ${bytes} bytes of UTF-8, more than ${maxBytes}`);
}

/** A whole number within bounds. @throws `INVALID_ARGUMENT` naming the field */
export function checkInteger(value: unknown, field: string, least: number, most: number): void {
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
    const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    refuse(field, `must be a whole number ${range}; got ${shown(value)}`);
  }
}

/**
 * A backend's option `endMemoryMs`.
 *
 * @param least - the grain in which the store forgets; default 0
 * @throws `INVALID_ARGUMENT` unless it is a whole number from `least` to a year
 */
export function checkEndMemory(endMemoryMs: unknown, least = 0): void {
  checkInteger(endMemoryMs, "endMemoryMs", least, MAX_END_MEMORY_MS);
}

/** Any number from `least` on, also `Infinity`. */
export function checkNumber(value: unknown, field: string, least: number): void {
  if (typeof value !== "number" || Number.isNaN(value) || value < least) {
    refuse(field, `must be a number of at least ${least}; got ${shown(value)}`);
  }
}

export function checkBoolean(value: unknown, field: string): void {
  if (typeof value !== "boolean") refuse(field, `must be true or false; got ${shown(value)}`);
}

export function checkObject(value: unknown, field: string): void {
  if (typeof value !== "object" || value === null) refuse(field, `must be an object; got ${shown(value)}`);
}

export function checkList(value: unknown, field: string): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) refuse(field, `must be a list; got ${shown(value)}`);
}

/** An object is only named by its kind: `String()` of one with a `toString` of its own could throw. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : String(value).slice(0, 40);
}

function refuse(field: string, problem: string): never {
  throw invalidArgument(field, problem);
}
