/** A process that routes a store's events to a webhook and a file, until it is killed. It runs the built packages. */
import { openBackend } from "@lease/connect";
import { eventRouter, fileCursorStore, ndjsonSink, type Report, webhookSink } from "@lease/events";

const { url, cursors, hook, secret, path } = JSON.parse(process.argv[2] ?? "{}");

const router = eventRouter({
  backend: await openBackend(url),
  sinks: {
    hook: webhookSink({ url: hook, secrets: [secret], timeoutMs: 2_000 }),
    file: ndjsonSink({ path, maxBytes: 10_000 }),
  },
  cursors: fileCursorStore(cursors),
  backoff: { firstMs: 50, mostMs: 500 },
  onReport: (report: Report) => process.send?.(report.type),
});
await router.start();
process.send?.("started");
