import type { LeaseEvent } from "@lease/core";
import { CloudEvent } from "cloudevents";
import { DeliveryError } from "./delivery-error.js";
import { invalid } from "./invalid.js";

/** A CloudEvent's `type` is this and the lease event's type: `dev.lease.acquired`. */
export const EVENT_TYPE_PREFIX = "dev.lease.";

/**
 * The event in its envelope. `source` and `id` (the cursor) together name it once and for all: who has seen them has
 * seen the event (CloudEvents 1.0, section 3.1.1).
 *
 * @throws a `DeliveryError` that refuses, when the result is no valid CloudEvent: it would not be one next time
 */
export function envelope(event: LeaseEvent, source: string): CloudEvent<LeaseEvent> {
  const { cursor: id, type, at: time, lease } = event;
  try {
    return new CloudEvent<LeaseEvent>({
      id,
      type: EVENT_TYPE_PREFIX + type,
      source,
      ...(lease.claims[0] && { subject: lease.claims[0].resource }),
      time,
      datacontenttype: "application/json",
      data: event,
    });
  } catch (cause) {
    throw new DeliveryError(`Entry ${id} of the feed makes no valid CloudEvent.`, { refused: true, cause });
  }
}

/** @throws `INVALID_ARGUMENT` for what is no URI reference */
export function checkSource(source: string): void {
  try {
    new CloudEvent({ id: "1", type: `${EVENT_TYPE_PREFIX}acquired`, source });
  } catch {
    throw invalid("source", "must be a URI reference, such as /lease/production");
  }
}
