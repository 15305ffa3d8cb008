/** Speaks to a Redis server without a client library: one command, one answer, one connection. */
import { connect } from "node:net";

export type Reply = string | number | null | Reply[];

const BOUND_MS = 5_000;

/** @throws what the server answered as an error, or that it did not answer in time */
export function redisCommand(port: number, args: readonly (string | number)[]): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let received = Buffer.alloc(0);
    const settle = (error: Error | null, reply?: Reply) => {
      socket.destroy();
      if (error === null) resolve(reply as Reply);
      else reject(error);
    };
    socket.setTimeout(BOUND_MS, () => settle(new Error("Redis did not answer in time.")));
    socket.on("error", (error) => settle(error));
    socket.on("close", () => settle(new Error("Redis closed the connection.")));
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      const parsed = parse(received, 0);
      if (parsed === null) return;
      if (parsed.reply instanceof Error) settle(parsed.reply);
      else settle(null, parsed.reply);
    });
    const parts = args.map((arg) => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`);
    socket.write(`*${args.length}\r\n${parts.join("")}`);
  });
}

/** The reply at `offset`, and where it ends; `null` while it is not complete. */
function parse(data: Buffer, offset: number): { reply: Reply | Error; end: number } | null {
  const lineEnd = data.indexOf("\r\n", offset);
  if (lineEnd < 0) return null;
  const line = data.toString("utf8", offset + 1, lineEnd);
  const next = lineEnd + 2;
  switch (String.fromCharCode(data[offset] ?? 0)) {
    case "+":
      return { reply: line, end: next };
    case "-":
      return { reply: new Error(line), end: next };
    case ":":
      return { reply: Number(line), end: next };
    case "$": {
      const length = Number(line);
      if (length < 0) return { reply: null, end: next };
      if (data.length < next + length + 2) return null;
      return { reply: data.toString("utf8", next, next + length), end: next + length + 2 };
    }
    case "*": {
      const items: Reply[] = [];
      let end = next;
      for (let index = 0; index < Number(line); index += 1) {
        const item = parse(data, end);
        if (item === null) return null;
        if (item.reply instanceof Error) return item;
        items.push(item.reply);
        end = item.end;
      }
      return { reply: items, end };
    }
    default:
      return { reply: new Error(`Not a reply of Redis: ${line}`), end: next };
  }
}
