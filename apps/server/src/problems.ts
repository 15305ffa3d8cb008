/**
 * Every error as a problem document (RFC 9457). One table says which status each code has.
 */
import { STATUS_CODES } from "node:http";
import { isLeaseError, LEASE_ERROR_CODES, LeaseError, type LeaseErrorCode } from "@lease/core";
import type { FastifyError } from "fastify";

const LEASE_STATUS: { readonly [code in LeaseErrorCode]: number } = {
  INVALID_ARGUMENT: 400,
  LEASE_UNAVAILABLE: 409,
  LEASE_LOST: 410,
  FENCED: 409,
  LEASE_NOT_OWNER: 403,
  LEASE_NOT_FOUND: 404,
  LEASE_RENEWAL_LIMIT: 409,
  RENEWAL_OUT_OF_ORDER: 409,
  LEASE_DEADLOCK: 409,
  BACKEND_UNAVAILABLE: 503,
  OUTCOME_UNKNOWN: 503,
  BACKEND_FULL: 507,
  BACKEND_CORRUPT: 500,
  BACKEND_INCOMPATIBLE: 500,
  CURSOR_EXPIRED: 410,
  CLOSED: 503,
};

/** What can go wrong before a request reaches a lease. */
const HTTP_ERRORS = {
  UNAUTHORIZED: [401, "Authentication required: send Authorization: Bearer <token>."],
  ROUTE_NOT_FOUND: [404, "There is no such route; /openapi.json lists all."],
  METHOD_NOT_ALLOWED: [405, "Method not allowed here; the Allow header lists the methods that are."],
  REQUEST_TIMEOUT: [408, "The request took too long to arrive."],
  MALFORMED_REQUEST: [400, "This is not HTTP as this server understands it."],
  BODY_TOO_LARGE: [413, "The body is larger than this server takes."],
  UNSUPPORTED_MEDIA_TYPE: [415, "Bodies are JSON: send the header Content-Type: application/json."],
  WRONG_HOST: [421, "Without a token this server answers to localhost, 127.0.0.1 and [::1] only."],
  HEADERS_TOO_LARGE: [431, "The headers are larger than this server takes."],
  // Nobody reads this answer; the log does.
  CLIENT_GONE: [499, "The client hung up."],
  SERVER_BUSY: [
    503,
    "As many event streams or waiting requests are open as this server allows, in all or for one address. Next: ask again in a moment, or close some.",
  ],
  SLOW_READER: [
    503,
    "This stream was ended because its client read too slowly. Next: resume after the last id that was read.",
  ],
  INTERNAL: [500, "Something went wrong inside the server; its log says what."],
} as const satisfies Record<string, readonly [number, string]>;

export type HttpErrorCode = keyof typeof HTTP_ERRORS;

/** Every code that an answer of this server can carry. */
export const PROBLEM_CODES = [...Object.keys(LEASE_STATUS), ...Object.keys(HTTP_ERRORS)];

export class HttpError extends Error {
  constructor(readonly code: HttpErrorCode) {
    super(HTTP_ERRORS[code][1]);
  }
}

/** RFC 9457, with `code` and the details of the code as extension members. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance?: string;
  readonly code: string;
  readonly [extension: string]: unknown;
}

/** Tells an error as a problem document. Nothing of an error that is not ours leaks into it. */
export function problemOf(error: unknown, instance?: string): Problem {
  const known = knownError(error);
  const [status, title, detail] =
    known instanceof HttpError
      ? [...HTTP_ERRORS[known.code], known.message]
      : [LEASE_STATUS[known.code], LEASE_ERROR_CODES[known.code], known.message];
  return {
    type: `urn:lease:error:${known.code}`,
    title,
    status,
    detail,
    ...(instance === undefined ? {} : { instance }),
    code: known.code,
    ...("details" in known ? known.details : {}),
  };
}

/** Seconds after which asking again makes sense, where that is so; in whole seconds, rounded up. */
export function retryAfterSeconds(problem: Problem): number | null {
  if (problem.code === "LEASE_UNAVAILABLE") return Math.max(1, Math.ceil(Number(problem.retryInMs) / 1000));
  return problem.status === 503 ? 1 : null;
}

/** An answer for a socket that never became a request, head and all. */
export function rawAnswer(code: HttpErrorCode): string {
  const problem = problemOf(new HttpError(code));
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    "Connection: close",
    "Content-Type: application/problem+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}

function knownError(error: unknown): LeaseError | HttpError {
  if (error instanceof HttpError || isLeaseError(error)) return error;
  const { code = "", statusCode = 500, message } = error as Partial<FastifyError>;
  if (code.startsWith("FST_BEARER_AUTH")) return new HttpError("UNAUTHORIZED");
  if (statusCode === 413) return new HttpError("BODY_TOO_LARGE");
  if (statusCode === 415) return new HttpError("UNSUPPORTED_MEDIA_TYPE");
  if (statusCode < 400 || statusCode >= 500) return new HttpError("INTERNAL");
  // What is left is a request that Fastify could not read: a body that is no JSON, a URL that is none.
  const field = code === "FST_ERR_BAD_URL" ? "url" : "body";
  return new LeaseError("INVALID_ARGUMENT", `${field} cannot be read: ${message}`, { field });
}
