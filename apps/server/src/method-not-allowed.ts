/** 405 with `Allow`, where Fastify would say 404: the route is there, the method is not. */
import type { FastifyInstance } from "fastify";
import { HttpError } from "./problems.js";

/**
 * Notes every route that is registered on this instance from here on.
 *
 * @returns adds the answers for the methods that they do not know; to be called after the last of them
 */
export function noteMethods(app: FastifyInstance): () => void {
  const known = new Map<string, Set<string>>();
  let noting = true;
  app.addHook("onRoute", ({ url, method }) => {
    if (!noting) return;
    const methods = known.get(url) ?? new Set();
    for (const name of [method].flat()) methods.add(name);
    known.set(url, methods);
  });
  return () => {
    noting = false;
    for (const [url, methods] of known) {
      app.route({
        url,
        method: app.supportedMethods.filter((method) => !methods.has(method)),
        schema: { hide: true },
        // Before the body is read: whatever it is, it would not help.
        onRequest: async (_, reply) => {
          void reply.header("allow", [...methods].sort().join(", "));
          throw new HttpError("METHOD_NOT_ALLOWED");
        },
        handler: () => {},
      });
    }
  };
}
