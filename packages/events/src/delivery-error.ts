/** How a sink says more about a failure than that it failed. */
export interface DeliveryErrorOptions extends ErrorOptions {
  /** Trying again is no use: the batch becomes a dead letter. Default `false`. */
  readonly refused?: boolean;
  /** Milliseconds that the other side asked to be left alone. The router waits for as long, or longer. */
  readonly retryAfterMs?: number | undefined;
}

const BRAND = Symbol.for("@lease/events/DeliveryError");

/** Thrown by a sink. Any other error means: try again after the usual pause. */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
  readonly refused: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: DeliveryErrorOptions = {}) {
    super(message, options);
    this.refused = options.refused ?? false;
    this.retryAfterMs = options.retryAfterMs;
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** Not `instanceof`: a sink may come with a second copy of this package (ESM beside CommonJS). */
export function isDeliveryError(error: unknown): error is DeliveryError {
  return typeof error === "object" && error !== null && BRAND in error;
}
