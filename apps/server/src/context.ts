import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { LeaseBackend } from "@lease/core";
import type { Registry } from "prom-client";
import type { Draining } from "./draining.js";
import type { Feed } from "./events/feed.js";
import type { ServerLimits } from "./limits.js";
import type { Seats } from "./seats.js";
import type { Waiters } from "./waiters.js";

/** What routes work with. */
export interface Context {
  readonly backend: LeaseBackend;
  /** What `/metrics` tells. */
  readonly registry: Registry;
  readonly waiters: Waiters;
  readonly draining: Draining;
  /** The one reader of the store for all event streams. */
  readonly feed: Feed;
  /** Of event streams. */
  readonly streams: Seats;
  /** Of requests that wait. */
  readonly polls: Seats;
  readonly limits: ServerLimits;
}

/** A group of routes. */
export type Routes = FastifyPluginAsyncTypebox<Context>;
