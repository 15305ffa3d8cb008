/** What a process of its own opens: the built package. */
import { postgresBackend } from "@lease/postgres";

export interface WorkerOptions {
  readonly namespace: string;
  readonly url: string;
}

export function open(options: WorkerOptions) {
  return postgresBackend({ ...options, allowDataLoss: true });
}
