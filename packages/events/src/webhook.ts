/** Events as signed HTTP requests: CloudEvents in structured JSON mode, Standard Webhooks signatures. */
import { HTTP } from "cloudevents";
import { DeliveryError } from "./delivery-error.js";
import { checkNumber, invalid } from "./invalid.js";
import { retryAfterMs } from "./retry-after.js";
import { signedHeaders, signersOf } from "./signature.js";
import type { Delivery, Sink } from "./sink.js";

/** Where to deliver, signed with what, and how patiently. */
export interface WebhookSinkOptions {
  /** Where events are posted, `https:` or `http:`. */
  readonly url: string | URL;
  /**
   * What requests are signed with (HMAC-SHA256): base64 of 24 bytes or more, by convention after `whsec_`. All of them
   * sign. To change a secret put the new one beside the old, change it at the receiver, take the old one away; a function
   * is asked at every attempt, so that this needs no restart.
   */
  readonly secrets: readonly string[] | (() => readonly string[]);
  /** How long the receiver may take to answer, in milliseconds. Default 15 000. */
  readonly timeoutMs?: number;
  /** More headers, for example `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
}

const DEFAULT_TIMEOUT_MS = 15_000;

/** Answers of the 4xx kind that speak of the moment and not of the event: request timeout, too many requests. */
const PASSING = new Set([408, 429]);

/**
 * Posts each event, one at a time. Answered 2xx it is delivered. Any other 4xx than 408 and 429 refuses it: a dead
 * letter. Everything else, redirects (which are not followed) included, is tried again, as late as `Retry-After` asks.
 *
 * @throws `INVALID_ARGUMENT` for a URL, headers or secrets that could never work
 */
export function webhookSink(options: WebhookSinkOptions): Sink {
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const url = checkUrl(options.url);
  const headers = checkHeaders(options.headers ?? {});
  checkNumber(timeoutMs, "timeoutMs", 1);
  const fixed = typeof options.secrets === "function" ? null : signersOf(options.secrets);
  const signers = () =>
    fixed ?? signersOf(typeof options.secrets === "function" ? options.secrets() : options.secrets);

  async function post({ event, cloudEvent }: Delivery, signal: AbortSignal): Promise<void> {
    const message = HTTP.structured(cloudEvent);
    const body = String(message.body);
    const response = await fetch(url, {
      method: "POST",
      headers: {
        ...headers,
        ...(message.headers as Record<string, string>),
        ...signedHeaders(event.cursor, body, signers()),
      },
      body,
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    // An unread body would keep its connection.
    await response.body?.cancel();
    const { status } = response;
    if (response.ok) return;
    throw new DeliveryError(`The receiver answered ${status}.`, {
      refused: status >= 400 && status < 500 && !PASSING.has(status),
      retryAfterMs: retryAfterMs(response.headers.get("retry-after")),
    });
  }

  return {
    maxBatch: 1,
    async deliver(batch, signal) {
      for (const delivery of batch) await post(delivery, signal);
    },
  };
}

function checkUrl(given: string | URL): URL {
  const url = URL.canParse(String(given)) ? new URL(given) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) throw invalid("url", "must be an http or https URL");
  // fetch refuses them, and they would end up in logs.
  if (url.username !== "" || url.password !== "") throw invalid("url", "must not hold a name or a password");
  return url;
}

function checkHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  try {
    return Object.fromEntries(new Headers(headers));
  } catch {
    throw invalid("headers", "must be valid HTTP headers");
  }
}
