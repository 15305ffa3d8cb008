/** How `/openapi.json` is generated from the schemas that validate. */
import type { SwaggerOptions } from "@fastify/swagger";

export const openapi: SwaggerOptions = {
  openapi: {
    openapi: "3.1.0",
    info: {
      title: "Lease",
      version: "1.0.0",
      description:
        "Time-limited claims on shared things. Errors are problem documents (RFC 9457) with a `code`.",
    },
    tags: [
      { name: "leases", description: "Ask, wait, renew, give back" },
      { name: "agents", description: "All that one agent has" },
      { name: "history", description: "What happened and happens" },
      { name: "operations", description: "For those who run the server" },
    ],
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
    // None is needed while the server has no token.
    security: [{ token: [] }, {}],
  },
  refResolver: { buildLocalReference: (json) => String(json.$id) },
};
