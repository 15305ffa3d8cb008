/** `node:http`: a third of the start-up time of `fetch`, and it says whether a connection was ever made. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { type Answer, type Call, mediaType, NotSent, type Transport } from "./transport.js";

/** Steps of one process: a server that has answered two is sent the next two. */
const STEP_SOCKETS = 2;

/** @param ca - further certificate authorities to trust, in PEM */
export function nodeTransport(
  origin: URL,
  ca: string | readonly string[] | undefined,
): Transport & { close(): void } {
  const secure = origin.protocol === "https:";
  const trust = ca === undefined ? {} : { ca: [ca].flat() as string[] };
  const agentOf = (options: object) =>
    secure
      ? new HttpsAgent({ keepAlive: true, ...trust, ...options })
      : new HttpAgent({ keepAlive: true, ...options });
  const steps = agentOf({ maxSockets: STEP_SOCKETS });
  const lasting = agentOf({});
  const send = (call: Call): Promise<Answer> =>
    new Promise((resolve, reject) => {
      let connected = false;
      const request = (secure ? httpsRequest : httpRequest)(
        new URL(call.path, origin),
        {
          method: call.method,
          headers: call.headers,
          agent: call.lasting ? lasting : steps,
          signal: call.signal,
        },
        (response) =>
          resolve({
            status: response.statusCode ?? 0,
            type: mediaType(response.headers["content-type"]),
            body: textOf(response),
          }),
      );
      request.once("socket", (socket) => {
        if (!socket.connecting) connected = true;
        else
          socket.once(secure ? "secureConnect" : "connect", () => {
            connected = true;
          });
      });
      request.once("error", (error) => reject(connected ? error : new NotSent(error)));
      request.end(call.body);
    });
  const close = () => {
    steps.destroy();
    lasting.destroy();
  };
  return Object.assign(send, { close });
}

async function* textOf(response: IncomingMessage): AsyncGenerator<string, void> {
  response.setEncoding("utf8");
  for await (const chunk of response) yield chunk as string;
  // An answer that was cut is none.
  if (!response.complete) throw new Error("the answer was cut off");
}
