/** What an address leaves open. */
export interface OpenBackendOptions {
  /**
   * Leases should outlive a power cut, for holders that do: a store that has the choice takes its safest setting
   * (`synchronous=FULL` of SQLite). What the URL says goes before it. Default `false`.
   */
  readonly durable?: boolean;
  /** What a Lease server wants as bearer token. Other stores have theirs in the URL, and leave this one alone. */
  readonly token?: string;
}
