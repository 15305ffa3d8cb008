/** The bare routes that the server is held against: Fastify with two routes that answer what they always answer. */
import { fastify } from "fastify";

const [, , answer = "{}"] = process.argv;
const lease = JSON.parse(answer) as object;

const app = fastify();
app.put("/v1/leases/:id", (_request, reply) => reply.code(201).send(lease));
app.delete("/v1/leases/:id", () => ({ result: "released" }));
console.log(`ready on ${await app.listen({ host: "127.0.0.1", port: 0 })}`);
process.on("disconnect", () => process.exit());
