/**
 * The memory backend leaves hand-offs aside; here is one that does not, as SQLite and Redis do: the step that frees the
 * claims of a waiter grants to it.
 */
import { type LeaseBackend, listAll } from "@lease/core";
import { type AcquireRequest, blockersOf } from "@lease/core/backend";

/**
 * @param backend - a store whose steps take no time
 * @param onHandOff - called for each
 */
export function withHandOff(backend: LeaseBackend, onHandOff: () => void): LeaseBackend {
  const waiting = new Map<string, AcquireRequest>();

  async function serve(): Promise<void> {
    while (waiting.size > 0) {
      const live = await listAll(backend, {});
      const known = new Set(live.map(({ id }) => id));
      for (const id of waiting.keys()) if (!known.has(id)) waiting.delete(id);
      const next = live.find((lease) => waiting.has(lease.id) && blockersOf(lease, live).length === 0);
      const request = next && waiting.get(next.id);
      if (request === undefined) return;
      waiting.delete(request.id);
      await backend.acquire(request);
      onHandOff();
    }
  }

  async function step<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } finally {
      await serve();
    }
  }

  return {
    ...backend,
    async acquire(request) {
      const answer = await step(async () => {
        const result = await backend.acquire(request);
        if (result.status === "refused" && request.wait === "hand-off") waiting.set(request.id, request);
        else waiting.delete(request.id);
        return result;
      });
      return answer;
    },
    renew: (requests) => step(() => backend.renew(requests)),
    release: (requests) => step(() => backend.release(requests)),
    sweep: (options) => step(() => backend.sweep(options)),
  };
}
