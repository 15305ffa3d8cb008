/** What is put to the torture: the parts of `@lease/core` that a run uses, so that a copy with a fault can take their place. */
import * as core from "@lease/core";

export type Subject = Pick<
  typeof core,
  "createLeaseManager" | "memoryBackend" | "FencingGuard" | "LeaseError"
>;

export const CORE: Subject = core;
