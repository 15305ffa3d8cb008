/** The server over HTTP, beside a bare Fastify route. */
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

const METRICS: readonly Metric[] = [
  { key: "before", label: "requests per CPU s, before the backend", better: "higher" },
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
    "a process without a server, measured in the same round. The server counts its metrics; it logs each request by " +
    "default, which is the third row.",
  plan: () => [serverCase],
};

const serverCase: CasePlan = {
  id: "http/memory",
  backend: "memory",
  title: `${CONNECTIONS} connections`,
  metrics: METRICS,
  targets: [{ metric: "before", of: SERVER, to: BARE, atLeast: 0.7 }],
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
  const server = join(dirname(require.resolve("@lease/server/package.json")), "dist/main.js");
  const inMemory = { LEASE_BACKEND: "memory:", LEASE_PORT: "0", LEASE_HOST: "127.0.0.1" };
  try {
    const quiet = await start(server, [], { ...inMemory, LEASE_LOG_LEVEL: "warn" });
    const logging = await start(server, [], inMemory);
    const bare = await start(workerFile("route.worker"), [await leaseOf(quiet.url)]);
    const entrant = (name: string, { child, url }: typeof bare) => ({
      name,
      kind: name === BARE ? ("raw" as const) : ("ours" as const),
      packages: ["autocannon", "fastify"],
      measure: () => shoot(context, child.pid as number, url, name !== BARE),
    });
    return {
      entrants: [
        entrant(SERVER, quiet),
        entrant(BARE, bare),
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

/** Of a resource of its own: a round ends in the middle of pairs, and leaves leases behind. */
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

async function shoot({ stores, roundMs }: Context, pid: number, url: string, ours: boolean): Promise<Sample> {
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
  const backendUs = ours ? await ofBackend({ stores, roundMs }) : 0;
  return {
    ...(serverUs === null ? {} : { before: 1e6 / (serverUs - backendUs), serverUs }),
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
