/** The stores that the router is held to. */
import { openBackend } from "@lease/connect";
import type { LeaseBackend } from "@lease/core";
import { type SharedStore, sharedStores } from "@lease/test-servers";
import { afterAll, type TestContext, test } from "vitest";

/** Stores that several processes can share. */
const SHARED = sharedStores(afterAll);

const ALL: readonly SharedStore[] = [{ name: "memory", url: async () => "memory:" }, ...SHARED];

interface OnStore {
  readonly url: string;
  readonly backend: LeaseBackend;
}

type Run = (on: OnStore, context: TestContext) => Promise<void>;

/** A test that runs on every store, on all at once, with a backend that is closed after it. */
export const testOnStores = (title: string, run: Run) => testOn(ALL, title, run);

/** The same for what takes several processes. */
export const testOnSharedStores = (title: string, run: Run) => testOn(SHARED, title, run);

function testOn(stores: readonly SharedStore[], title: string, run: Run): void {
  test.concurrent.for(stores)(`${title} ($name)`, async (store, context) => {
    const url = await store.url();
    const backend = await openBackend(url);
    context.onTestFinished(() => backend.close());
    await run({ url, backend }, context);
  });
}
