/** A process that takes a lease and gives it back. It runs the built packages. */
import { openBackend } from "@lease/connect";
import { createLeaseManager } from "@lease/core";

const { url, resource } = JSON.parse(process.argv[2] ?? "{}");

const leases = createLeaseManager({ backend: await openBackend(url), agentId: "elsewhere" });
await leases.withLease(resource, async () => {});
await leases.close({ backend: true });
