import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { startServer, type TestServer, until } from "./server.js";

let server: TestServer;
afterEach(() => server.close());

/** Starts a server that logs at this level. @returns the routes of what it says it answered */
async function logging(level: string): Promise<() => string[]> {
  const lines: { msg: string; route: string }[] = [];
  const logger = pino({ level }, { write: (line) => void lines.push(JSON.parse(line)) });
  server = await startServer({ logger });
  return () => lines.filter(({ msg }) => msg === "answered").map(({ route }) => route);
}

test("each answer is a line, but for those that are asked for every few seconds", async () => {
  const answered = await logging("info");
  for (const path of ["/healthz", "/readyz", "/v1/leases"]) await server.ask("GET", path);
  await until(() => answered().length > 0);
  expect(answered()).toEqual(["/v1/leases"]);
});

test("above info no answer is a line", async () => {
  const answered = await logging("warn");
  await server.ask("GET", "/v1/leases");
  await server.ask("GET", "/healthz");
  expect(answered()).toEqual([]);
});
