/** What the server allows, beside the limits of the backend. Milliseconds and bytes. */
export const SERVER_LIMITS = Object.freeze({
  /** The largest request body. */
  bodyBytes: 64 * 1024,
  /** The longest `waitMs` and `timeoutMs`: a long poll answers by then, and who still wants to wait asks again. */
  maxWaitMs: 300_000,
  /** How long `turn` waits when it is not told. */
  turnMs: 30_000,
  /** A client has this long to send its headers, and its whole request. Says nothing about how long the answer takes. */
  requestMs: 10_000,
  /** Between two comments on a quiet event stream, so that nothing on the way takes it for dead. */
  heartbeatMs: 15_000,
  /** Events are gathered for this long at most, and sent in one write. */
  gatherMs: 20,
  /** The most bytes that are kept for an event stream whose client does not read. Then it is cut. */
  streamBufferBytes: 1024 * 1024,
  /** The most event streams, in all and for one address. */
  maxStreams: 2_000,
  maxStreamsPerAddress: 1_000,
  /** The most requests that wait: for a lease, or for a turn. */
  maxPolls: 10_000,
  maxPollsPerAddress: 5_000,
  /** How long renewals and releases go on after the signal to stop, while anybody holds a lease. */
  drainMs: 5_000,
  /** After that, how long answers under way may take. */
  closeMs: 5_000,
});

/** What the routes for backends allow. Milliseconds and bytes. */
export const STEP_LIMITS = Object.freeze({
  /** The version of these routes; another number means other shapes. */
  contract: 1,
  /** The most requests in one batch. */
  requests: 64,
  /** A batch may carry metadata of 4 KiB a request, and a request a thousand claims. */
  bodyBytes: 1024 * 1024,
  /** The longest that `turns` waits. */
  turnsMs: 60_000,
});

export type ServerLimits = { readonly [name in keyof typeof SERVER_LIMITS]: number };
