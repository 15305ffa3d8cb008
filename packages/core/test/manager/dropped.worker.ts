/** Drops one of two handles, and tells what the process warned of. Needs `--expose-gc`. */
import { createLeaseManager, memoryBackend } from "@lease/core";

const backend = memoryBackend();
const leases = createLeaseManager({ backend, agentId: "agent-7" });
const warned = new Promise<NodeJS.ErrnoException>((resolve) => process.once("warning", resolve));
const keepAlive = setInterval(() => globalThis.gc?.(), 20);

const kept = await leases.acquire("kept", { ttlMs: 300 });
await leases.acquire("dropped", { ttlMs: 300 });
// A short one that was released before it was dropped is nobody's loss.
await (await leases.acquire("released", { ttlMs: 300 })).release();

const { code, message } = await warned;
// Some more rounds, in which nothing else is to be warned of.
process.on("warning", (warning) => console.log(`too much: ${warning.message}`));
await new Promise((resolve) => setTimeout(resolve, 1_000));
clearInterval(keepAlive);
const held = leases.held.map(({ claims }) => claims[0]?.resource);
console.log(JSON.stringify({ code, message, held, isHeld: leases.held.every((lease) => lease.isHeld()) }));
console.log(kept === leases.held[0]);
await leases.close();
