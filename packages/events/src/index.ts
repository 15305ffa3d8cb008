/**
 * `@lease/events`: what happens to leases, delivered to listeners, webhooks and files.
 *
 * @packageDocumentation
 */

// Where a route has got to
export { type CursorStore, memoryCursorStore } from "./cursors.js";
// Sinks
export { DeliveryError, type DeliveryErrorOptions } from "./delivery-error.js";
export { EVENT_TYPE_PREFIX } from "./envelope.js";
export { fileCursorStore } from "./file-cursors.js";
export { type ListenerSink, type ListenerSinkOptions, listenerSink } from "./listeners.js";
export { type NdjsonSinkOptions, ndjsonSink } from "./ndjson.js";
// The router
export type { WhenCursorExpired, WhenFull } from "./policies.js";
export type { DeadLetter, Report } from "./report.js";
export { type EventRouter, type EventRouterOptions, eventRouter, type StopOptions } from "./router.js";
export {
  type Backoff,
  ROUTE_DEFAULTS,
  type Route,
  type RouteOptions,
} from "./settings.js";
export type { Delivery, Sink } from "./sink.js";
export { type WebhookSinkOptions, webhookSink } from "./webhook.js";
