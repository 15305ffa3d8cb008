/** The server's application over a backend that answers what is always the same: what it costs by itself. */
import { type Lease, type LeaseBackend, memoryBackend } from "@lease/core";
import { withMetrics } from "@lease/metrics";
import type { FastifyInstance } from "fastify";
import { Registry } from "prom-client";

const [, , answer = "{}", file = ""] = process.argv;
const lease = JSON.parse(answer) as Lease;
const registry = new Registry();
const backend: LeaseBackend = {
  ...memoryBackend(),
  acquire: async () => ({ status: "granted", lease, repeated: false }),
  release: async () => [{ status: "released" }],
};
/** As much of a logger as a server uses that logs nothing. */
const logger = {
  level: "silent",
  isLevelEnabled: () => false,
  child: () => logger,
  ...Object.fromEntries(
    ["trace", "debug", "info", "warn", "error", "fatal"].map((level) => [level, () => {}]),
  ),
};

/** The server is no library: this is its build, which only the benchmark looks into. */
const { buildApp } = (await import(file)) as {
  buildApp(options: object): Promise<{ readonly http: FastifyInstance }>;
};
const { http } = await buildApp({ backend: withMetrics(backend, { registry }), logger, registry });
console.log(`ready on ${await http.listen({ host: "127.0.0.1", port: 0 })}`);
process.on("disconnect", () => process.exit());
