/** Who may ask: whoever has the token or, without one, programs of this machine. */
import bearerAuth from "@fastify/bearer-auth";
import type { FastifyInstance } from "fastify";
import { isLoopback } from "./loopback.js";
import { HttpError } from "./problems.js";

/**
 * Guards every route that is registered on this instance from here on. With a token, by the token, compared in constant
 * time. Without, the server listens on loopback only, and what remains is a web page that points a name of its own at
 * loopback (DNS rebinding) and so speaks through the user's browser: its requests name that host.
 */
export async function guard(app: FastifyInstance, token: string | undefined): Promise<void> {
  if (token === undefined) {
    // Clients name the same host again and again.
    let good: string | undefined;
    app.addHook("onRequest", (request, _reply, done) => {
      const { host } = request;
      if (host === good) return done();
      if (!isLoopback(request.hostname)) return done(new HttpError("WRONG_HOST"));
      good = host;
      done();
    });
    return;
  }
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
