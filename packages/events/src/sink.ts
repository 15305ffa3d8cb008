import type { LeaseEvent } from "@lease/core";
import type { CloudEvent } from "cloudevents";

/** One event on its way to a sink. */
export interface Delivery {
  readonly event: LeaseEvent;
  /** The same event in its envelope: CloudEvents 1.0, validated; `JSON.stringify` makes the structured JSON form. */
  readonly cloudEvent: CloudEvent<LeaseEvent>;
}

/**
 * Where events go. The router gives a sink one batch at a time, in the order of the feed, and the next one only once
 * this one was delivered; so a sink needs no queue and no lock. It gives a batch again when it failed, and after a
 * crash also when it had succeeded: a sink must bear to see an event twice (its `cursor` is the same then).
 */
export interface Sink {
  /** The most events in one batch. Default 1. */
  readonly maxBatch?: number;
  /**
   * Resolves once all events of the batch are where they belong; only then is the cursor moved past them.
   *
   * @param signal - aborts when the router stops and the grace is over; what fails then is delivered after a restart
   * @throws anything: it is tried again after a pause. A `DeliveryError` may say how long the pause should be, or
   * that trying again is no use
   */
  deliver(batch: readonly Delivery[], signal: AbortSignal): Promise<void> | void;
  /** Gives back what the sink opened. Called when its route stops; a sink that is started again opens anew. */
  close?(): Promise<void> | void;
}
