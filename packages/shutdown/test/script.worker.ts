/** `script.worker.ts URL MODE`: a script that forgets its lease and ends, or waits for a signal. */
import { openBackend } from "@lease/connect";
import { createLeaseManager } from "@lease/core";
import { releaseOnExit } from "@lease/shutdown";

const [url = "", mode] = process.argv.slice(2);
const leases = createLeaseManager({ backend: await openBackend(url), agentId: "script" });
const takeBack = releaseOnExit(leases, { signals: ["SIGINT"] });
await leases.acquire("a");
if (mode === "signal") setInterval(() => {}, 1_000);
if (mode === "taken-back") takeBack();
console.log("ready");
