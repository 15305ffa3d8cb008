import { expect, test } from "vitest";
import { judge } from "../src/index.js";
import { workload } from "./oracle-workload.js";

test("allows all that the memory backend answers behind a bad network", async () => {
  let judged = 0;
  let unjudged = 0;
  for (let seed = 1; seed <= 60; seed += 1) {
    const { log, backend } = await workload({ seed, faults: seed % 3 === 0 ? 0.4 : 0.1 });
    const verdict = judge(log.calls, backend.limits);
    expect(verdict.violations, `seed ${seed}`).toEqual([]);
    judged += verdict.judged;
    unjudged += verdict.unjudged;
  }
  expect(judged).toBeGreaterThan(10_000);
  expect(unjudged / judged).toBeLessThan(0.01);
});

test("finds what a backend makes up", async () => {
  const { log, backend } = await workload({ seed: 1 });
  const stolen = log.calls.map((call) => {
    if (call.operation !== "acquire" || call.outcome.kind !== "answer") return call;
    const { answer } = call.outcome;
    if (answer.status !== "granted") return call;
    const lease = { ...answer.lease, expiresInMs: answer.lease.expiresInMs + 10 };
    return { ...call, outcome: { kind: "answer", answer: { ...answer, lease } } } as typeof call;
  });
  expect(judge(stolen, backend.limits).violations[0]).toMatchObject({ kind: "wrong time" });
});
