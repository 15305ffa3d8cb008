import { type Lease, type LeaseBackend, LeaseError } from "@lease/core";
import type { AcquireRequest } from "@lease/core/backend";
import { acquireRequest as request } from "@lease/testing";
import { expect } from "vitest";

export { request };

/** Asks and must be granted. */
export async function hold(
  backend: LeaseBackend,
  resource: string,
  over: Partial<AcquireRequest> = {},
): Promise<Lease> {
  const result = await backend.acquire(request(resource, over));
  if (result.status !== "granted") throw new Error(`not granted: ${JSON.stringify(result)}`);
  return result.lease;
}

export async function release(backend: LeaseBackend, { id, agentId, token }: Lease): Promise<string> {
  const [answer] = await backend.release([{ kind: "release", id, agentId, token }]);
  return answer?.status ?? "nothing";
}

/** What is held, by resource. */
export async function held(backend: LeaseBackend): Promise<string[]> {
  const { leases } = await backend.list({ limit: 1000 });
  return leases.flatMap((lease) => lease.claims.map((claim) => claim.resource)).sort();
}

/** The call must fail with a `LeaseError` of this code, whose sentence matches. */
export async function expectError(call: Promise<unknown>, code: string, sentence: RegExp): Promise<void> {
  const error = await call.then(
    () => "an answer",
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LeaseError);
  expect(error).toMatchObject({ code, message: expect.stringMatching(sentence) });
}
