/**
 * `@lease/test-servers`: real servers for tests and benchmarks. Each is private: on a free loopback port, with its data
 * in a temporary folder, and gone with the process that started it, however that ends. No server that is already there
 * is ever used or touched.
 */
export { type Binary, findLuacheck, findRedis8, findValkey8 } from "./binaries.ts";
export { type EtcdCluster, type EtcdMember, startEtcd } from "./etcd.ts";
export { type PostgresOptions, type PostgresServer, startPostgres } from "./postgres.ts";
export {
  type RedisOptions,
  type RedisServer,
  type RedisServerWithClock,
  type RedisTlsServer,
  startRedis,
  startRedisWithClock,
  startRedisWithTls,
} from "./redis.ts";
export { type RedisCluster, type RedisClusterOptions, startRedisCluster } from "./redis-cluster.ts";
export { type RedisSentinel, startRedisSentinel } from "./redis-sentinel.ts";
export { type SharedStore, sharedStores } from "./shared-stores.ts";
