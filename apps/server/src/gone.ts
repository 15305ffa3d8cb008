/** When there is no point in going on with an answer. */
import type { FastifyReply } from "fastify";
import type { Draining } from "./draining.js";
import { HttpError } from "./problems.js";

/**
 * Aborts when the client hangs up before it is answered, and when the server drains.
 *
 * It watches the response: the request's own stream closes as soon as its body is read, which says nothing.
 *
 * A grant that was sent is not taken back. `finish` comes also for a client whose FIN waits unread, and that client may
 * have closed or only ended its half. A write that fails, after a reset, does say that this connection got nothing; but the same id
 * may have been answered on another one, or by another server.
 */
export function goneSignal({ raw }: FastifyReply, draining: Draining): AbortSignal {
  const gone = new AbortController();
  const onDrain = (reason: unknown) => gone.abort(reason);
  const onClose = () => {
    draining.unwatch(onDrain);
    if (!raw.writableFinished) gone.abort(new HttpError("CLIENT_GONE"));
  };
  draining.watch(onDrain);
  raw.once("close", onClose);
  if (raw.destroyed) onClose();
  return gone.signal;
}
