/** Batches whose requests are carried out apart from each other; a store with one transaction a batch needs none of it. */
import { isLeaseError, LeaseError } from "../errors.js";

/**
 * The answers of a batch, once every request of it has ended.
 *
 * @throws `OUTCOME_UNKNOWN` when some failed and others did not: the error of one would say that nothing was done
 */
export async function wholeBatch<T>(answers: readonly Promise<T>[]): Promise<T[]> {
  if (answers.length === 1) return [await (answers[0] as Promise<T>)];
  const settled = await Promise.allSettled(answers);
  const done = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const failures = settled.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
  if (failures.length === 0) return done;
  const worst = failures.find((error) => isLeaseError(error, "OUTCOME_UNKNOWN")) ?? failures[0];
  if (done.length === 0) throw worst;
  const message =
    "Part of the batch was carried out, part of it perhaps not. Repeat the call with the same ids.";
  throw new LeaseError("OUTCOME_UNKNOWN", message, undefined, { cause: worst });
}
