/** The most of everything that a request may bring or an answer shows, whatever the store. */
export const MAX = Object.freeze({
  /** The longest agent id, in bytes of UTF-8. */
  agentIdBytes: 256,
  /** The longest resource, in bytes of UTF-8. */
  resourceBytes: 512,
  /** The longest reason, in bytes of UTF-8. */
  reasonBytes: 1024,
  /** The largest metadata, in bytes of UTF-8 as JSON. */
  metadataBytes: 4096,
  /** The most leases that one request can state as held. */
  holding: 1000,
  /** The longest TTL, also of a place in the queue: seven days. A backend states the shortest. */
  ttlMs: 7 * 24 * 3_600_000,
  /** The most blockers that a refusal lists. */
  blockers: 8,
  /** The most leases on one page of a listing. */
  page: 1000,
});
