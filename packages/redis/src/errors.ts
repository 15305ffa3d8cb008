/** From errors of Redis and ioredis to those that a caller gets. */
import { isLeaseError, LeaseError } from "@lease/core";
import { VERSION } from "./scripts/layout.js";

/** Error replies after which surely nothing was applied, and after which trying again can help. */
const PASSING: Readonly<Record<string, string>> = Object.freeze({
  LOADING: "Redis is loading its data",
  BUSY: "Redis is busy with a script",
  READONLY: "this Redis is a read-only replica: connect to the master, through Sentinel or a cluster client",
  MASTERDOWN: "this Redis is a replica that lost its master",
  MISCONF: "Redis refuses writes because it cannot save its data",
  NOREPLICAS: "Redis refuses writes for want of enough good replicas",
  CLUSTERDOWN: "the Redis cluster is down",
  TRYAGAIN: "the Redis cluster is moving this namespace",
});

/** Error replies that no repetition will change. */
const LASTING: Readonly<Record<string, string>> = Object.freeze({
  MOVED: "this Redis is one node of a cluster: pass a `Cluster` client of ioredis to redisBackend()",
  ASK: "this Redis is one node of a cluster: pass a `Cluster` client of ioredis to redisBackend()",
  CROSSSLOT: "this Redis is a cluster that does not honour hash tags",
  NOAUTH: "Redis wants a password",
  WRONGPASS: "Redis does not take this user and password",
  NOPERM: "this Redis user may not do what the backend needs (see the README for its ACL)",
  UNKNOWN: "this Redis does not know a command that the backend needs",
  LEASEVERSION: `the namespace was written by another version of @lease/redis (this one reads ${VERSION}): update it everywhere`,
});

/** What Node calls the errors of a certificate that one side rejects. */
const DISTRUST = /CERT|UNABLE_TO_VERIFY|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|UNKNOWN_CA/;

/** What ioredis says of a command that it did not send. */
export const isNotSent = (error: unknown): boolean =>
  error instanceof Error && /isn't writeable|isn't ready/.test(error.message);

/** What a failed call is reported as. What is no error of Redis or the network, a bug for instance, stays as it is. */
export function toLeaseError(error: unknown): unknown {
  if (isLeaseError(error) || !(error instanceof Error)) return error;
  const code = replyCode(error);
  const cause = { cause: safeCause(error) };
  if (isDistrust(error)) {
    return new LeaseError(
      "BACKEND_INCOMPATIBLE",
      `Nothing was sent: the TLS handshake with Redis failed (${error.message}). Add the signing CA to NODE_EXTRA_CA_CERTS, or pass a client with \`tls: { ca, cert, key }\`.`,
      undefined,
      cause,
    );
  }
  if (code === "OOM") {
    return new LeaseError(
      "BACKEND_FULL",
      "Redis has no memory left for a new lease: raise maxmemory, or sweep with a shorter historyRetentionMs.",
      undefined,
      cause,
    );
  }
  const passing = code && PASSING[code];
  if (passing) {
    return new LeaseError("BACKEND_UNAVAILABLE", `Nothing was done: ${passing}.`, undefined, cause);
  }
  const lasting = code && LASTING[code];
  if (lasting) {
    // Redis looks at permissions command by command, and takes nothing back when a script ends half way.
    const done = /user_script/.test(error.message)
      ? "What was asked may be done in part"
      : "Nothing was done";
    return new LeaseError("BACKEND_INCOMPATIBLE", `${done}: ${lasting}.`, undefined, cause);
  }
  if (code !== null) {
    return new LeaseError(
      "BACKEND_CORRUPT",
      `The script of the lease backend failed: ${error.message}. Other software may have written to this namespace.`,
      undefined,
      cause,
    );
  }
  if (isNotSent(error)) return unavailable(error);
  return outcomeUnknown(error);
}

/** Connected, and it will be usable by itself. */
export function loading(): LeaseError<"BACKEND_UNAVAILABLE"> {
  return new LeaseError("BACKEND_UNAVAILABLE", `Nothing was sent: ${PASSING.LOADING}.`);
}

/** A cluster that could ask none of its nodes says that; what the last of them said tells more. */
export function ofNode(error: Error): Error {
  return "lastNodeError" in error && error.lastNodeError instanceof Error ? error.lastNodeError : error;
}

/** Surely not applied. */
export function unavailable(cause: unknown): LeaseError<"BACKEND_UNAVAILABLE"> {
  if (isLeaseError(cause, "BACKEND_UNAVAILABLE")) {
    return new LeaseError("BACKEND_UNAVAILABLE", cause.message, undefined, { cause });
  }
  const why = cause instanceof Error ? ` (${cause.message})` : "";
  return new LeaseError(
    "BACKEND_UNAVAILABLE",
    `Redis cannot be reached${why}; nothing was sent.`,
    undefined,
    cause === undefined ? undefined : { cause: safeCause(cause) },
  );
}

/** Sent, and never answered. */
export function outcomeUnknown(cause: unknown): LeaseError<"OUTCOME_UNKNOWN"> {
  return new LeaseError(
    "OUTCOME_UNKNOWN",
    `Redis did not answer: it may or may not have done what was asked. Ask again with the same id.`,
    undefined,
    cause === undefined ? undefined : { cause: safeCause(cause) },
  );
}

/** An error that trying again does not help against, found while connecting. */
export function isLasting(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = replyCode(error);
  return (code !== null && code in LASTING) || isDistrust(error);
}

function isDistrust(error: Error): boolean {
  return DISTRUST.test(String((error as NodeJS.ErrnoException).code));
}

export const isNoScript = (error: unknown): boolean =>
  error instanceof Error && replyCode(error) === "NOSCRIPT";

/** The code of an error reply, `ERR` where it has no better one; `null` for what is no reply. */
function replyCode(error: Error): string | null {
  // ioredis itself gives up on a redirected command with this one.
  const redirected = /^Too many Cluster redirections. Last error: (?:\w*Error: )?(.*)$/.exec(
    error.message,
  )?.[1];
  const message = redirected ?? error.message;
  if (error.name !== "ReplyError" && redirected === undefined) return null;
  // Before Redis 7 the error of a command inside a script stands behind the script's own.
  const [, code] =
    /^ERR Error running script .*?(?:: -| -)([A-Z]+) /.exec(message) ?? /^([A-Z]+)\b/.exec(message) ?? [];
  if (/^ERR unknown (redis )?command/i.test(message)) return "UNKNOWN";
  // Redis 7 says it so of a command inside a script; Redis 8 and Valkey 8 in the other way.
  if (/^ERR (The user executing the script can't|ACL failure in script)/.test(message)) return "NOPERM";
  // A client that follows redirections is not the wrong one: it was sent to and fro by a move that is not over.
  if (redirected !== undefined && (code === "MOVED" || code === "ASK")) return "TRYAGAIN";
  return code ?? "ERR";
}

/** ioredis hangs the command on its errors, and with it passwords of AUTH: a cause must not carry them into logs. */
function safeCause(cause: unknown): unknown {
  if (cause instanceof Error && "command" in cause) {
    Reflect.deleteProperty(cause, "command");
  }
  return cause;
}
