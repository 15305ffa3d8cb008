/** The HTTP application over a backend: routes, validation, problem documents, the OpenAPI document. */
import type { Socket } from "node:net";
import swagger from "@fastify/swagger";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { LeaseBackend } from "@lease/core";
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from "fastify";
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import { guard } from "./auth.js";
import type { Context } from "./context.js";
import { Draining } from "./draining.js";
import { Feed } from "./events/feed.js";
import { SERVER_LIMITS, type ServerLimits } from "./limits.js";
import { noteMethods } from "./method-not-allowed.js";
import { openapi } from "./openapi.js";
import { HttpError, problemOf, rawAnswer, retryAfterSeconds } from "./problems.js";
import { acquireRoutes } from "./routes/acquire.js";
import { agentRoutes } from "./routes/agents.js";
import { historyRoutes } from "./routes/history.js";
import { leaseRoutes } from "./routes/leases.js";
import { healthRoutes, operationRoutes } from "./routes/operations.js";
import { stepRoutes } from "./routes/steps.js";
import { SHARED_SCHEMAS } from "./schemas/answers.js";
import { Seats } from "./seats.js";
import { invalidArgument, validatorCompiler } from "./validation.js";
import { Waiters } from "./waiters.js";

export interface AppOptions {
  /** Where leases are kept. It stays open when the app closes. */
  readonly backend: LeaseBackend;
  readonly logger: Logger;
  /** What `/metrics` tells. */
  readonly registry: Registry;
  /** What clients have to send as bearer token; left out: nothing. */
  readonly token?: string | undefined;
  readonly limits?: Partial<ServerLimits>;
}

export interface App {
  readonly http: FastifyInstance;
  /** Grants nothing new from now on, sends waiters away, ends event streams; renewals and releases go on. */
  drain(): void;
  /** Closes the listener, lets answers under way finish, and leaves no request queued behind. */
  close(): Promise<void>;
}

/** Builds the application. Nothing listens yet. */
export async function buildApp(options: AppOptions): Promise<App> {
  const { backend, logger, registry, token, limits: some = {} } = options;
  const limits = { ...SERVER_LIMITS, ...some };
  const draining = new Draining();
  const context: Context = {
    backend,
    registry,
    waiters: new Waiters(backend),
    draining,
    feed: new Feed(backend, limits),
    streams: new Seats({ inAll: limits.maxStreams, perAddress: limits.maxStreamsPerAddress }),
    polls: new Seats({ inAll: limits.maxPolls, perAddress: limits.maxPollsPerAddress }),
    limits,
  };

  // For routes that are asked every few seconds.
  const quiet = logger.isLevelEnabled("info") ? logger.child({}, { level: "warn" }) : logger;

  const app = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    // A logger for each request costs as much as its line; what a line needs to say of the request, it says.
    childLoggerFactory: (shared, _bindings, { level }) => (level === "warn" ? quiet : shared),
    bodyLimit: limits.bodyBytes,
    // These bound how long a request takes to arrive; how long its answer takes is bounded by waitMs.
    requestTimeout: limits.requestMs,
    http: { headersTimeout: limits.requestMs, connectionsCheckingInterval: Math.min(1000, limits.requestMs) },
    // While closing, requests are told by us what goes on and what does not.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 4096 },
    frameworkErrors: sendProblem,
    clientErrorHandler,
  }).withTypeProvider<TypeBoxTypeProvider>();

  // Bodies are JSON. Plain text, which any web page may send here, is not looked at.
  app.removeContentTypeParser("text/plain");
  app.setValidatorCompiler(validatorCompiler);
  app.setSchemaErrorFormatter(invalidArgument);
  // Answers come as they are from core; tests hold them to their schemas.
  app.setSerializerCompiler(() => JSON.stringify);
  app.setErrorHandler(sendProblem);
  app.setNotFoundHandler(() => {
    throw new HttpError("ROUTE_NOT_FOUND");
  });
  if (logger.isLevelEnabled("info")) app.addHook("onResponse", logAnswer);

  await app.register(swagger, openapi);
  for (const [$id, schema] of Object.entries(SHARED_SCHEMAS)) app.addSchema({ $id, ...schema });
  await app.register(async (group) => {
    const refuseOtherMethods = noteMethods(group);
    await group.register(healthRoutes, context);
    await group.register(async (guarded) => {
      await guard(guarded, token);
      for (const routes of [
        acquireRoutes,
        leaseRoutes,
        agentRoutes,
        historyRoutes,
        operationRoutes,
        stepRoutes,
      ]) {
        await guarded.register(routes, context);
      }
    });
    refuseOtherMethods();
  });
  await app.ready();

  return {
    http: app as unknown as FastifyInstance,
    drain: () => draining.begin(),
    async close() {
      draining.begin();
      await app.close();
      await context.waiters.settled();
    },
  };
}

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  // Without the query, which may say more than a log or a screenshot should.
  const { method, url } = request;
  const [path] = url.split("?", 1);
  const problem = problemOf(error, path);
  // That the server shuts down is no error of it.
  if (problem.status >= 500 && problem.code !== "CLOSED") {
    request.log.error({ method, path, err: error }, problem.title);
  }
  const retryAfter = retryAfterSeconds(problem);
  if (retryAfter !== null) void reply.header("retry-after", retryAfter);
  if (problem.status === 401) void reply.header("www-authenticate", "Bearer");
  void reply.code(problem.status).type("application/problem+json").serializer(JSON.stringify).send(problem);
}

function logAnswer(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  const { method, routeOptions, url } = request;
  const [path] = url.split("?", 1);
  const ms = Math.round(reply.elapsedTime * 10) / 10;
  request.log.info({ method, path, route: routeOptions.url, status: reply.statusCode, ms }, "answered");
  done();
}

/** What never became a request: too slow, too large, or no HTTP. */
function clientErrorHandler(error: NodeJS.ErrnoException, socket: Socket): void {
  if (socket.destroyed || error.code === "ECONNRESET") return;
  if (socket.writable) socket.write(rawAnswer(codeOf(error)));
  socket.destroy();
}

function codeOf({ code }: NodeJS.ErrnoException) {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return "REQUEST_TIMEOUT";
  return code === "HPE_HEADER_OVERFLOW" ? "HEADERS_TOO_LARGE" : "MALFORMED_REQUEST";
}
