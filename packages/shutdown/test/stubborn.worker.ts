/** Holds a lease whose work never ends, with a long time to drain. */
import { createLeaseManager, memoryBackend } from "@lease/core";
import { gracefulShutdown } from "@lease/shutdown";

const leases = createLeaseManager({ backend: memoryBackend(), agentId: "stubborn" });
gracefulShutdown({ managers: [leases], timeoutMs: 60_000, onPhase: ({ phase }) => console.log(phase) });
await leases.acquire("a");
setInterval(() => {}, 1_000);
console.log("ready");
