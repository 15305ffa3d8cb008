/** The bearer token, compared in constant time by the plugin. */
import bearerAuth from "@fastify/bearer-auth";
import type { FastifyInstance } from "fastify";

/** Every route that is registered on this instance from here on asks for the token, if there is one. */
export async function requireToken(app: FastifyInstance, token: string | undefined): Promise<void> {
  if (token === undefined) return;
  await app.register(bearerAuth, {
    keys: new Set([token]),
    // The scheme's name has no case (RFC 9110, section 11.1).
    specCompliance: "rfc6749",
    verifyErrorLogLevel: "debug",
    // Errors go the way of all others, to become problem documents.
    addHook: false,
  });
  app.addHook("onRequest", app.verifyBearerAuth as NonNullable<typeof app.verifyBearerAuth>);
}
