/** A process that holds many leases, which a manager renews by itself, and tells how that goes. */
import { createLeaseManager, type LeaseManager } from "@lease/core";
import { openBackendAt } from "../contenders/backends.js";
import { ownCpu } from "../frame/cpu.js";
import { answerOrders } from "./orders.js";
import { monotonicMs, type Orders } from "./protocol.js";

let manager: LeaseManager;
let lateMs: number[] = [];
let lost = 0;
let [cpu, since] = [0, 0];

/** Acquired side by side, so that they come due side by side. */
const AT_ONCE = 100;

async function keep({ place, leases, ttlMs }: Orders["keep"]["order"]): Promise<null> {
  manager = createLeaseManager({ backend: await openBackendAt(place), agentId: "keeper" });
  manager.observe((event) => {
    if (event.type === "renewed") lateMs.push(event.lateMs);
    if (event.type === "ended") lost += 1;
  });
  for (let first = 0; first < leases; first += AT_ONCE) {
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, leases - first) }, (_, index) =>
        manager.acquire(`src/file-${first + index}.ts`, { ttlMs }),
      ),
    );
  }
  return null;
}

/** Of the time since the last report. */
async function report(): Promise<Orders["report"]["answer"]> {
  const now = monotonicMs();
  const used = ownCpu();
  const told = { lateMs, lost, cpuUs: used - cpu, tookMs: now - since };
  lateMs = [];
  [cpu, since] = [used, now];
  return told;
}

answerOrders({ keep, report });
