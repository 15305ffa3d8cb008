/**
 * The routes that the server is held against. Bare: Fastify with two routes that read no more than the path and the
 * body, and answer what they always answer. With schemas: what one would write by hand, which validates by them and asks
 * a backend in memory.
 */
import { memoryBackend } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";
import { type FastifySchema, fastify } from "fastify";

const [, , answer = "{}", schemas] = process.argv;
const path = "/v1/leases/:id";
const app = fastify();
if (schemas === undefined) bareRoutes(JSON.parse(answer));
else routes(JSON.parse(schemas));
console.log(`ready on ${await app.listen({ host: "127.0.0.1", port: 0 })}`);
process.on("disconnect", () => process.exit());

function bareRoutes(lease: object): void {
  app.put(path, (_request, reply) => reply.code(201).send(lease));
  app.delete(path, () => ({ result: "released" }));
}

function routes(schema: { readonly put: FastifySchema; readonly delete: FastifySchema }): void {
  const backend = memoryBackend();
  interface Put {
    Params: { id: string };
    Body: { agentId: string; resources: string[] };
  }
  app.put<Put>(path, { schema: schema.put }, async ({ params: { id }, body }, reply) => {
    const request: AcquireRequest = {
      id,
      agentId: body.agentId,
      claims: body.resources.map((resource) => ({ resource, mode: "exclusive" })),
      ttlMs: 30_000,
      maxRenewals: null,
      wait: "no",
      waitTtlMs: 15_000,
      holding: [],
      reason: null,
      metadata: null,
    };
    const result = await backend.acquire(request);
    if (result.status !== "granted") return reply.code(409).send(result);
    return reply.code(201).send(result.lease);
  });
  interface Delete {
    Params: { id: string };
    Querystring: { agentId: string };
  }
  app.delete<Delete>(path, { schema: schema.delete }, async ({ params: { id }, query: { agentId } }) => {
    const [result] = await backend.release([{ kind: "release", id, agentId }]);
    return { result: result?.status };
  });
  app.delete("/v1/agents/:agentId/leases", async () => {
    const { leases } = await backend.list({ limit: 1000 });
    await backend.release(leases.map(({ id, agentId }) => ({ kind: "release", id, agentId })));
    return {};
  });
}
