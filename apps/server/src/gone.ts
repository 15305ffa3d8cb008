/** When there is no point in going on with an answer. */
import type { FastifyReply } from "fastify";
import { HttpError } from "./problems.js";

/**
 * Aborts when the client hangs up before it is answered, and when the server drains.
 *
 * It watches the response: the request's own stream closes as soon as its body is read, which says nothing.
 */
export function goneSignal({ raw }: FastifyReply, draining: AbortSignal): AbortSignal {
  const gone = new AbortController();
  const onDrain = () => gone.abort(draining.reason);
  const onClose = () => {
    draining.removeEventListener("abort", onDrain);
    if (!raw.writableFinished) gone.abort(new HttpError("CLIENT_GONE"));
  };
  draining.addEventListener("abort", onDrain);
  raw.once("close", onClose);
  if (draining.aborted) onDrain();
  if (raw.destroyed) onClose();
  return gone.signal;
}
