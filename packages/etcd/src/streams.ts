/** What the streams of keep-alives and of watches have in common. */
import type { Etcd3 } from "etcd3";

/** One member, by the client that speaks to it alone (or a client that was passed in, whatever it speaks to). */
export interface Endpoint {
  readonly client: Etcd3;
}

interface Stream {
  on(event: "error", listener: (error: Error) => void): unknown;
  end(): unknown;
  cancel(): void;
}

/**
 * Ends a stream that is not needed any more. Cancelled while it can be written to, it counts as failed for the library,
 * which then closes the connection that all other calls and streams of this member share.
 */
export function endStream(stream: Stream): void {
  // Errors after its end do not matter.
  stream.on("error", () => {});
  stream.end();
  stream.cancel();
}
