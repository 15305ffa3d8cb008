/**
 * The server over HTTP, beside Fastify routes: bare ones, and ones that do the same on the same backend.
 *
 * "Before the backend" is told in two ways. Once as a difference: what the server took for a request, less what the same
 * operation takes on a backend of its own kind in this process. That leaves with the server what the backend costs only
 * in it: collecting what it keeps, and caches that both use. And once as measured: the same server over a backend
 * that answers what is always the same, as the bare routes do, with nothing subtracted.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { createLeaseId, memoryBackend } from "@lease/core";
import autocannon from "autocannon";
import { workerFile } from "../children/worker-file.js";
import { claimerOf } from "../contenders/lease.js";
import { cpuOf } from "../frame/cpu.js";
import { rate } from "../frame/rate.js";
import type { CasePlan, Context, Metric, OpenCase, Sample, Scenario } from "../frame/scenario.js";

const CONNECTIONS = 16;
/** autocannon counts in whole seconds. */
const LONGER = 4;
const SERVER = "lease server";
const BARE = "bare Fastify routes";
const ALONE = `${SERVER}, without a backend`;
const ROUTES = "Fastify routes, same schemas and backend";

const METRICS: readonly Metric[] = [
  { key: "before", label: "requests per CPU s, before the backend", better: "higher" },
  { key: "perCpu", label: "requests per CPU s", better: "higher" },
  { key: "rate", label: "requests/s", better: "higher" },
  { key: "p50", label: "p50 ms", better: "lower", digits: 2 },
  { key: "p99", label: "p99 ms", better: "lower", digits: 2 },
  { key: "serverUs", label: "server CPU µs", better: "lower", digits: 1 },
];

export const http: Scenario = {
  name: "http",
  title: "The server over HTTP",
  about:
    `autocannon with ${CONNECTIONS} connections, each of which acquires and releases a lease of its own (PUT, DELETE), ` +
    "against the server with leases in memory, and against bare Fastify routes that read no more than the path and " +
    "answer what is always the same. Compared is how many requests a second of the server's processor serves: the rate " +
    "itself is autocannon's as much. Before the backend: without what the same operations cost on the same backend in " +
    "a process without a server, measured in the same round; where the backend answers what is always the same, and at " +
    "the bare routes, nothing is subtracted. The routes with the same schemas and backend have no line, no metrics, no " +
    "problem documents and no check of the host. The server counts its metrics; it logs each request by default, which " +
    "is a row of its own.",
  plan: () => [serverCase],
};

const serverCase: CasePlan = {
  id: "http/memory",
  backend: "memory",
  title: `${CONNECTIONS} connections`,
  metrics: METRICS,
  targets: [{ metric: "before", of: ALONE, to: BARE, atLeast: 0.7 }],
  compared: [{ metric: "perCpu", of: SERVER, to: ROUTES }],
  open: openServers,
};

async function openServers(context: Context): Promise<OpenCase> {
  const children: ChildProcess[] = [];
  const close = async () => {
    for (const child of children) child.kill("SIGKILL");
  };
  const start = async (path: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const child = fork(path, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "ignore", "ipc"],
    });
    children.push(child);
    return { child, url: await urlOf(child) };
  };
  const require = createRequire(import.meta.url);
  const built = join(dirname(require.resolve("@lease/server/package.json")), "dist");
  const server = join(built, "main.js");
  const inMemory = { LEASE_BACKEND: "memory:", LEASE_PORT: "0", LEASE_HOST: "127.0.0.1" };
  try {
    const quiet = await start(server, [], { ...inMemory, LEASE_LOG_LEVEL: "warn" });
    const logging = await start(server, [], inMemory);
    const lease = await leaseOf(quiet.url);
    const bare = await start(workerFile("route.worker"), [lease]);
    const alone = await start(workerFile("server.worker"), [lease, join(built, "app.js")]);
    const routes = await start(workerFile("route.worker"), [lease, await schemasOf(quiet.url)]);
    const entrant = (name: string, { child, url }: typeof bare) => ({
      name,
      kind: child === bare.child || child === routes.child ? ("raw" as const) : ("ours" as const),
      packages: ["autocannon", "fastify"],
      measure: () => shoot(context, child.pid as number, url, name !== BARE && name !== ALONE),
      // A round ends in the middle of pairs. What it leaves is looked through by each request of the next.
      tidy: () => giveUp(url),
    });
    return {
      entrants: [
        entrant(SERVER, quiet),
        entrant(BARE, bare),
        entrant(ALONE, alone),
        entrant(ROUTES, routes),
        entrant(`${SERVER}, each request logged`, logging),
      ],
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What it prints when it listens. */
async function urlOf(child: ChildProcess): Promise<string> {
  const lines = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> });
  const signal = AbortSignal.timeout(15_000);
  const ended = once(child, "exit", { signal }).then(() => {
    throw new Error("the server ended at its start");
  });
  for (;;) {
    const [line] = (await Promise.race([once(lines, "line", { signal }), ended])) as [string];
    const url = /ready on (http:\/\/\S+?)(?: |$)/.exec(line)?.[1];
    if (url !== undefined) return url;
  }
}

const agentId = "agent-1";

/** Of a resource of its own, so that what a round leaves behind is in nobody's way. */
const requestsOf = () => {
  const id = createLeaseId();
  const path = `/v1/leases/${id}`;
  const body = JSON.stringify({ agentId, resources: [`src/${id}.ts`] });
  return [
    { method: "PUT", path, body, headers: { "content-type": "application/json" } },
    { method: "DELETE", path: `${path}?agentId=${agentId}` },
  ] as const;
};

/** An answer as long as the server's own. */
async function leaseOf(url: string): Promise<string> {
  const [put, remove] = requestsOf();
  const { path, ...init } = put;
  const answer = await (await fetch(`${url}${path}`, init)).text();
  await fetch(`${url}${remove.path}`, { method: "DELETE" });
  return answer;
}

/** The schemas that the server validates acquires and releases by, as it publishes them. */
async function schemasOf(url: string): Promise<string> {
  const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as OpenApi;
  const { put, delete: remove } = paths["/v1/leases/{id}"] as Required<OpenApi["paths"][string]>;
  const partOf = (operation: Operation, part: string) => {
    const found = operation.parameters.filter((parameter) => parameter.in === part);
    return {
      type: "object",
      properties: Object.fromEntries(found.map(({ name, schema }) => [name, schema])),
      required: found.filter(({ required }) => required).map(({ name }) => name),
      additionalProperties: false,
    };
  };
  return JSON.stringify({
    put: { params: partOf(put, "path"), body: put.requestBody.content["application/json"].schema },
    delete: { params: partOf(remove, "path"), querystring: partOf(remove, "query") },
  });
}

interface Operation {
  readonly parameters: { readonly name: string; readonly in: string; required?: boolean; schema: object }[];
  readonly requestBody: { readonly content: { readonly "application/json": { readonly schema: object } } };
}

interface OpenApi {
  readonly paths: { readonly [path: string]: { readonly put?: Operation; readonly delete?: Operation } };
}

/** Ends whatever this agent still has, at the contenders that know of it. */
async function giveUp(url: string): Promise<void> {
  await fetch(`${url}/v1/agents/${agentId}/leases?by=bench`, { method: "DELETE" });
}

async function shoot(
  { stores, roundMs }: Context,
  pid: number,
  url: string,
  hasBackend: boolean,
): Promise<Sample> {
  const before = await cpuOf(pid);
  const result = await autocannon({
    url,
    connections: CONNECTIONS,
    duration: Math.max(1, Math.round((roundMs * LONGER) / 1000)),
    setupClient(client) {
      client.setRequests(requestsOf().map((request) => ({ ...request })));
    },
  });
  const after = await cpuOf(pid);
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(
      `${url} answered ${result.non2xx} requests with an error, and ${result.errors} not at all`,
    );
  }
  const count = result.requests.total;
  const serverUs = before === null || after === null ? null : (after - before) / count;
  const backendUs = hasBackend ? await ofBackend({ stores, roundMs }) : 0;
  return {
    ...(serverUs === null ? {} : { before: 1e6 / (serverUs - backendUs), perCpu: 1e6 / serverUs, serverUs }),
    rate: count / result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99,
  };
}

/** Microseconds of processor time that one of the two operations takes without a server. */
async function ofBackend({ stores, roundMs }: Pick<Context, "stores" | "roundMs">): Promise<number> {
  const claimer = claimerOf(memoryBackend());
  const store = await stores.get("memory");
  const { clientUs } = await rate({ callers: CONNECTIONS, roundMs, store }, async (caller) => {
    await (await claimer.take([`src/file-${caller}.ts`], caller)).release();
  });
  return (clientUs as number) / 2;
}
