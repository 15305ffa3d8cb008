/** A wire to a server that tests can cut: it passes everything on until it is told not to. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface Proxy {
  readonly url: string;
  /** From now on answers are swallowed; requests still arrive. */
  dropAnswers(): void;
  /** From now on answers, and messages, are kept back until they pass again. */
  holdAnswers(): void;
  /** Answers pass again, those that were kept back first. */
  passAnswers(): void;
  /** The next answer is lost whole, and those after it pass: what answers are matched to is one too early. */
  dropNextAnswer(): void;
  /** Resets all connections. */
  reset(): void;
  /** How many connections were made. */
  readonly connections: number;
  close(): Promise<void>;
}

export async function startProxy(port: number): Promise<Proxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let dropping = false;
  let droppingNext = false;
  /** What is kept back. */
  let late: (() => void)[] | null = null;
  let connections = 0;
  const server = createServer((client) => {
    connections += 1;
    const upstream = connect(port, "127.0.0.1");
    const pair = [client, upstream] as const;
    pairs.add(pair);
    client.on("data", (chunk) => upstream.write(chunk));
    upstream.on("data", (chunk) => {
      if (droppingNext) droppingNext = false;
      else if (late !== null) late.push(() => client.write(chunk));
      else if (!dropping) client.write(chunk);
    });
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        pairs.delete(pair);
        for (const end of pair) end.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as { port: number };
  const reset = () => {
    for (const [client, upstream] of [...pairs]) {
      client.resetAndDestroy();
      upstream.destroy();
    }
  };
  return {
    url: `redis://127.0.0.1:${address.port}`,
    dropAnswers() {
      dropping = true;
    },
    holdAnswers() {
      late = [];
    },
    passAnswers() {
      dropping = false;
      for (const write of late ?? []) write();
      late = null;
    },
    dropNextAnswer() {
      droppingNext = true;
    },
    reset,
    get connections() {
      return connections;
    },
    async close() {
      reset();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
