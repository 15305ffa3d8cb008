/** What the environment says, checked; anything wrong with it is one sentence. */
import { MONITOR_DEFAULTS } from "@lease/upkeep";
import { envSchema } from "env-schema";
import { type Static, Type } from "typebox";
import { SERVER_LIMITS, type ServerLimits } from "./limits.js";
import { isLoopback } from "./loopback.js";

/** Where leases are kept when nothing else is said. */
export const DEFAULT_BACKEND = "sqlite:lease-data/leases.db";

const Environment = Type.Object({
  LEASE_BACKEND: Type.String({ minLength: 1, default: DEFAULT_BACKEND }),
  LEASE_HOST: Type.String({ minLength: 1, default: "127.0.0.1" }),
  LEASE_PORT: Type.Integer({ minimum: 0, maximum: 65_535, default: 5327 }),
  LEASE_TOKEN: Type.Optional(Type.String({ minLength: 1 })),
  LEASE_DRAIN_MS: Type.Integer({ minimum: 0, default: SERVER_LIMITS.drainMs }),
  LEASE_MAX_HOLD_MS: Type.Integer({ minimum: 0, default: MONITOR_DEFAULTS.maxHoldMs }),
  LEASE_MAX_WAIT_MS: Type.Integer({ minimum: 0, default: MONITOR_DEFAULTS.maxWaitMs }),
  LEASE_MAX_STREAMS: Type.Integer({ minimum: 1, default: SERVER_LIMITS.maxStreams }),
  LEASE_MAX_STREAMS_PER_ADDRESS: Type.Integer({ minimum: 1, default: SERVER_LIMITS.maxStreamsPerAddress }),
  LEASE_MAX_POLLS: Type.Integer({ minimum: 1, default: SERVER_LIMITS.maxPolls }),
  LEASE_MAX_POLLS_PER_ADDRESS: Type.Integer({ minimum: 1, default: SERVER_LIMITS.maxPollsPerAddress }),
  LEASE_LOG_LEVEL: Type.Enum(["debug", "info", "warn", "error", "silent"], { default: "info" }),
});

export interface Config {
  readonly backend: string;
  readonly host: string;
  readonly port: number;
  readonly token: string | undefined;
  readonly drainMs: number;
  /** A lease held for longer is reported; `Infinity` for never. */
  readonly maxHoldMs: number;
  /** A request queued for longer is reported; `Infinity` for never. */
  readonly maxWaitMs: number;
  /** The most event streams and waiting requests, in all and for one address. */
  readonly limits: Pick<
    ServerLimits,
    "maxStreams" | "maxStreamsPerAddress" | "maxPolls" | "maxPollsPerAddress"
  >;
  readonly logLevel: string;
}

/** Something that whoever starts the server has to put right. */
export class ConfigError extends Error {}

/** @throws ConfigError with a sentence that names the variable, never its value: it may be a secret */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  let read: Static<typeof Environment>;
  try {
    read = envSchema({ schema: structuredClone(Environment), data: { ...env }, env: false });
  } catch (error) {
    throw new ConfigError(
      `The environment cannot be used: ${(error as Error).message.replaceAll("env/", "")}.`,
    );
  }
  const { LEASE_HOST: host, LEASE_TOKEN: token } = read;
  if (token === undefined && !isLoopback(host)) {
    throw new ConfigError(
      `Without a token this server listens on this machine only, not on LEASE_HOST=${host}: set LEASE_TOKEN to a secret that clients send as Authorization: Bearer.`,
    );
  }
  return {
    backend: read.LEASE_BACKEND,
    host,
    port: read.LEASE_PORT,
    token,
    drainMs: read.LEASE_DRAIN_MS,
    maxHoldMs: read.LEASE_MAX_HOLD_MS || Number.POSITIVE_INFINITY,
    maxWaitMs: read.LEASE_MAX_WAIT_MS || Number.POSITIVE_INFINITY,
    limits: {
      maxStreams: read.LEASE_MAX_STREAMS,
      maxStreamsPerAddress: read.LEASE_MAX_STREAMS_PER_ADDRESS,
      maxPolls: read.LEASE_MAX_POLLS,
      maxPollsPerAddress: read.LEASE_MAX_POLLS_PER_ADDRESS,
    },
    logLevel: read.LEASE_LOG_LEVEL,
  };
}
