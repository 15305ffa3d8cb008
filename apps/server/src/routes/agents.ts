/** Acts on all that one agent has. */
import { revokeAgent } from "@lease/upkeep";
import type { Routes } from "../context.js";
import { answers } from "../schemas/answers.js";
import { AgentParams, RevokeAgentQuery } from "../schemas/requests.js";
import { ofOneRequest, withFields } from "../validation.js";

export const agentRoutes: Routes = async (app, { backend }) => {
  app.delete(
    "/v1/agents/:agentId/leases",
    {
      schema: {
        summary: "Revoke all that an agent has: listed, then ended one by one, until nothing is left",
        tags: ["agents"],
        params: AgentParams,
        querystring: RevokeAgentQuery,
        response: answers({ 200: ["Revoked", "What was revoked"] }, 400, 401, 421, 500, 503),
      },
    },
    async ({ params: { agentId }, query }) => ({
      revoked: await withFields(ofOneRequest, () => revokeAgent(backend, agentId, query)),
    }),
  );
};
