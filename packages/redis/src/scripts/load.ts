/// <reference path="./lua.d.ts" />
/** Makes scripts of `.lua` files: puts in the files that one includes, and numbers for the names of the layout. */
import { createHash } from "node:crypto";
import acquireAlone from "./acquire/alone.lua";
import acquireFull from "./acquire/full.lua";
import acquirePlain from "./acquire/plain.lua";
import check from "./check.lua";
import expire from "./expire.lua";
import history from "./history.lua";
import { NAMES } from "./layout.js";
import list from "./list.lua";
import prune from "./prune.lua";
import releaseAlone from "./release/alone.lua";
import releaseFull from "./release/full.lua";
import releasePlain from "./release/plain.lua";
import renew from "./renew.lua";
import revoke from "./revoke.lua";
import scan from "./scan.lua";
import sharedClock from "./shared/clock.lua";
import sharedHmget from "./shared/hmget.lua";
import sharedOverlaps from "./shared/overlaps.lua";
import sharedParts from "./shared/parts.lua";
import sharedQueues from "./shared/queues.lua";
import sharedRecords from "./shared/records.lua";
import sharedVersion from "./shared/version.lua";
import sharedWalk from "./shared/walk.lua";
import stepBuckets from "./step/buckets.lua";
import stepCallNext from "./step/call-next.lua";
import stepCovered from "./step/covered.lua";
import stepFinish from "./step/finish.lua";
import stepOperations from "./step/operations.lua";
import stepRivals from "./step/rivals.lua";
import stepState from "./step/state.lua";
import stepWake from "./step/wake.lua";
import stepWrite from "./step/write.lua";
import step from "./step.lua";
import tidy from "./tidy.lua";

const SOURCES = Object.freeze({
  "acquire/alone": acquireAlone,
  "acquire/full": acquireFull,
  "acquire/plain": acquirePlain,
  "release/alone": releaseAlone,
  "release/full": releaseFull,
  "release/plain": releasePlain,
  "shared/clock": sharedClock,
  "shared/hmget": sharedHmget,
  "shared/overlaps": sharedOverlaps,
  "shared/parts": sharedParts,
  "shared/queues": sharedQueues,
  "shared/records": sharedRecords,
  "shared/version": sharedVersion,
  "shared/walk": sharedWalk,
  "step/buckets": stepBuckets,
  "step/call-next": stepCallNext,
  "step/covered": stepCovered,
  "step/finish": stepFinish,
  "step/operations": stepOperations,
  "step/rivals": stepRivals,
  "step/state": stepState,
  "step/wake": stepWake,
  "step/write": stepWrite,
  check,
  expire,
  history,
  list,
  prune,
  renew,
  revoke,
  scan,
  step,
  tidy,
});

export type Source = keyof typeof SOURCES;

export interface Script {
  readonly text: string;
  readonly sha: string;
}

/** The script that a file is, ready to be sent. */
export function load(source: Source): Script {
  return script(
    included(source)
      .replace(/^\s*--.*\n/gm, "")
      .replace(/\b[A-Z][A-Z_]+\b/g, (name) => NAMES[name] ?? name),
  );
}

export function script(text: string): Script {
  return { text, sha: createHash("sha1").update(text).digest("hex") };
}

function included(source: Source): string {
  return SOURCES[source].replace(/^\s*-- include (\S+)\n/gm, (_, name: Source) => included(name));
}
