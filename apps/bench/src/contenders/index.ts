/** All that can be measured. */
import type { BackendName, Contender } from "../frame/contender.js";
import { asyncMutex } from "./async-mutex.js";
import { etcdRaw } from "./etcd-raw.js";
import { etcd3Lock } from "./etcd3-lock.js";
import { fileNotification } from "./file-notification.js";
import { lease } from "./lease.js";
import { manager } from "./manager.js";
import { pgAdvisoryLock } from "./pg-advisory-lock.js";
import { postgresRaw } from "./postgres-raw.js";
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
  fileNotification,
  postgresRaw,
  etcdRaw,
  pgAdvisoryLock,
  redlock4,
  redlock5,
  redisSemaphore,
  sesamecareRedlock,
  etcd3Lock,
  properLockfile,
  asyncMutex,
];

/** What is to be measured of a backend: for those who take turns, or for those who want what is free. */
export function contendersOn(backend: BackendName, peers: boolean, { inTurn = false } = {}): Contender[] {
  return CONTENDERS.filter(
    ({ backends, kind, waits = true, onlyPasses = false }) =>
      backends.includes(backend) && (peers || kind !== "peer") && (inTurn ? waits : !onlyPasses),
  );
}
