/**
 * `httpBackend()`: leases on a Lease server, for processes that reach it and not its store.
 *
 * Guarantees what the server's store guarantees: each step is one request to the server, which carries it out as one step
 * of its store. A holder's deadline counts from when its request was sent, so time on the way only shortens it.
 *
 * Does not guarantee: more than the store. The token says which clients may come in; what they do there is bounded by the
 * token's role. A client that hangs keeps its leases until their TTL, as over any store.
 */
import type { LeaseBackend } from "@lease/core";
import {
  type AcquireRequest,
  type AcquireResult,
  type BackendLimits,
  checkInteger,
  closed,
  defineBackend,
  invalidArgument,
  type LeasePage,
  type ReleaseRequest,
  type ReleaseResult,
  type RenewRequest,
  type RenewResult,
  type SweepResult,
  wholeBatch,
} from "@lease/core/backend";
import { Batches } from "./batches.js";
import { Client } from "./client.js";
import { changes } from "./feed.js";
import type { Transport } from "./transport.js";
import { TurnPoll } from "./turns.js";

/** Which server, and how it is reached. */
export interface HttpBackendOptions {
  /** `http://localhost:5327` or `https://leases.example.com`. */
  readonly url: string;
  /** Sent as bearer token. Over plain HTTP it goes to loopback addresses only, see `allowPlainToken`. */
  readonly token?: string;
  /** Further certificate authorities to trust, in PEM. Not in browsers. */
  readonly ca?: string | readonly string[];
  /** The bound of a call. Default 5000 ms; then `BACKEND_UNAVAILABLE` (nothing was sent) or `OUTCOME_UNKNOWN`. */
  readonly callTimeoutMs?: number;
  /** Send the token over plain HTTP to another host, where whoever reads the network reads it. Default false. */
  readonly allowPlainToken?: boolean;
}

/** Makes `httpBackend` over a transport. */
export function overTransport(
  transportTo: (origin: URL, options: HttpBackendOptions) => Transport & { close(): void },
) {
  return async (options: HttpBackendOptions): Promise<LeaseBackend> => {
    const origin = originOf(options);
    const timeoutMs = options.callTimeoutMs ?? 5000;
    checkInteger(timeoutMs, "callTimeoutMs", 1, 2 ** 31 - 1);
    const client = new Client({
      transport: transportTo(origin, options),
      origin,
      token: options.token,
      timeoutMs,
    });
    try {
      return await backendOver(client);
    } catch (error) {
      client.close();
      throw error;
    }
  };
}

async function backendOver(client: Client): Promise<LeaseBackend> {
  const contract = await client.contract();
  const acquires = new Batches<AcquireRequest, AcquireResult>(client, "/v1/steps/acquire", contract);
  const renewals = new Batches<RenewRequest, RenewResult>(client, "/v1/steps/renew", contract);
  const releases = new Batches<ReleaseRequest, ReleaseResult>(client, "/v1/steps/release", contract);
  const turns = new TurnPoll(client, contract.turnsMs);
  return defineBackend({
    kind: "http",
    limits: contract.limits as unknown as BackendLimits,
    acquire: (request) => acquires.run(request),
    turn: (wait) => turns.wait(wait),
    renew: (requests) => wholeBatch(requests.map((request) => renewals.run(request))),
    release: (requests) => wholeBatch(requests.map((request) => releases.run(request))),
    list: async (query) => (await client.post("/v1/steps/list", query)) as LeasePage,
    async sweep({ limit, historyRetentionMs }) {
      // JSON has no Infinity, which prunes nothing.
      const retention = historyRetentionMs === Number.POSITIVE_INFINITY ? undefined : historyRetentionMs;
      return (await client.post("/v1/sweep", { limit, historyRetentionMs: retention })) as SweepResult;
    },
    changes: (change) => changes(client, change),
    async close() {
      const error = () => closed("http");
      turns.close();
      client.close();
      await Promise.all([acquires.close(error), renewals.close(error), releases.close(error)]);
    },
  });
}

function originOf({ url, token, allowPlainToken = false }: HttpBackendOptions): URL {
  const parsed = typeof url === "string" && URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || (parsed.protocol !== "http:" && parsed.protocol !== "https:")) {
    throw invalidArgument("url", "must be a URL such as http://localhost:5327 or https://leases.example.com");
  }
  if (parsed.username !== "" || parsed.password !== "") {
    throw invalidArgument("url", "must carry no password: pass a token as the option token");
  }
  if (parsed.pathname !== "/" || parsed.search !== "" || parsed.hash !== "") {
    throw invalidArgument(
      "url",
      "must end with the host and its port: the routes are at the root of the server",
    );
  }
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw invalidArgument("token", "must be visible ASCII without spaces, as a header carries it");
  }
  if (
    token !== undefined &&
    parsed.protocol === "http:" &&
    !allowPlainToken &&
    !isLoopback(parsed.hostname)
  ) {
    throw invalidArgument(
      "url",
      "must begin with https:// where a token goes to another host: over plain HTTP anyone on the way reads it (allowPlainToken: true sends it all the same)",
    );
  }
  return parsed;
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
