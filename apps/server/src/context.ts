import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { LeaseBackend } from "@lease/core";
import type { Draining } from "./draining.js";
import type { ServerLimits } from "./limits.js";
import type { Line } from "./line.js";

/** What routes work with. */
export interface Context {
  readonly backend: LeaseBackend;
  readonly line: Line;
  readonly draining: Draining;
  readonly limits: ServerLimits;
}

/** A group of routes. */
export type Routes = FastifyPluginAsyncTypebox<Context>;
