/**
 * `@lease/redis`: the Lease backend on Redis, for any number of machines.
 *
 * @packageDocumentation
 */
export { type RedisBackendOptions, redisBackend } from "./backend.js";
