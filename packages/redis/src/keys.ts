/** The names that a namespace has in Redis: its keys, all in one hash slot, and the channel of each client. */
import { invalidArgument } from "@lease/core/backend";

export interface NamespaceKeys {
  readonly hash: string;
  readonly index: string;
  readonly history: string;
  /** As scripts take them. */
  readonly all: readonly [string, string, string];
  /** Where a client hears of its turns. */
  channelOf(client: string): string;
}

const MAX_NAMESPACE_BYTES = 128;

/**
 * The keys of a namespace. Its name is percent-encoded, so that none can reach into another or out of its hash tag,
 * whatever characters it has.
 *
 * @throws `INVALID_ARGUMENT`
 */
export function namespaceKeys(namespace: unknown): NamespaceKeys {
  if (typeof namespace !== "string" || namespace === "" || !namespace.isWellFormed()) {
    throw invalidArgument("namespace", "must be a string that is not empty");
  }
  if (Buffer.byteLength(namespace) > MAX_NAMESPACE_BYTES) {
    throw invalidArgument("namespace", `takes more than ${MAX_NAMESPACE_BYTES} bytes of UTF-8`);
  }
  const hash = `lease:{${encodeURIComponent(namespace)}}`;
  const index = `${hash}:index`;
  const history = `${hash}:history`;
  return { hash, index, history, all: [hash, index, history], channelOf: (client) => `${hash}:${client}` };
}
