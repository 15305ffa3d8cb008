/** All that can be measured. */
import type { BackendName, Contender } from "../frame/contender.js";
import { asyncMutex } from "./async-mutex.js";
import { etcdRaw } from "./etcd-raw.js";
import { etcd3Lock } from "./etcd3-lock.js";
import { lease } from "./lease.js";
import { manager } from "./manager.js";
import { properLockfile } from "./proper-lockfile.js";
import { redisRaw } from "./redis-raw.js";
import { redisSemaphore } from "./redis-semaphore.js";
import { redlock4 } from "./redlock-4.js";
import { redlock5 } from "./redlock-5.js";
import { sesamecareRedlock } from "./sesamecare-redlock.js";
import { sqliteRaw } from "./sqlite-raw.js";

export const CONTENDERS: readonly Contender[] = [
  lease,
  manager,
  redisRaw,
  sqliteRaw,
  etcdRaw,
  redlock4,
  redlock5,
  redisSemaphore,
  sesamecareRedlock,
  etcd3Lock,
  properLockfile,
  asyncMutex,
];

/** Those of a backend, without what others made if they are not to take part. */
export function contendersOn(backend: BackendName, peers: boolean): Contender[] {
  return CONTENDERS.filter(({ backends, kind }) => backends.includes(backend) && (peers || kind !== "peer"));
}
