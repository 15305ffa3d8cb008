import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { LeaseBackend } from "@lease/core";
import type { Registry } from "prom-client";
import type { Draining } from "./draining.js";
import type { ServerLimits } from "./limits.js";
import type { Waiters } from "./waiters.js";

/** What routes work with. */
export interface Context {
  readonly backend: LeaseBackend;
  /** What `/metrics` tells. */
  readonly registry: Registry;
  readonly waiters: Waiters;
  readonly draining: Draining;
  readonly limits: ServerLimits;
}

/** A group of routes. */
export type Routes = FastifyPluginAsyncTypebox<Context>;
