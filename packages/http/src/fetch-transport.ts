/** `fetch`, for browsers: it never says whether a request was sent, so what fails is never known not to be done. */
import { type Answer, type Call, mediaType, type Transport } from "./transport.js";

export function fetchTransport(origin: URL): Transport & { close(): void } {
  const send = async ({ method, path, body, headers, signal }: Call): Promise<Answer> => {
    const response = await fetch(new URL(path, origin), {
      method,
      headers,
      signal,
      // With the token to wherever it leads: never.
      redirect: "manual",
      cache: "no-store",
      ...(body === undefined ? {} : { body }),
    });
    return {
      // A redirect that was not followed has no status here.
      status: response.type === "opaqueredirect" ? 302 : response.status,
      type: mediaType(response.headers.get("content-type")),
      body: textOf(response),
    };
  };
  return Object.assign(send, { close: () => {} });
}

async function* textOf({ body }: Response): AsyncGenerator<string, void> {
  if (body === null) return;
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield decoder.decode(value, { stream: true });
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
