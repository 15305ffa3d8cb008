import { describe, expect, test } from "vitest";
import { campaign } from "../src/campaign.js";
import { reportOf } from "../src/report.js";
import { PLANTED, plant } from "./planted.js";

/** Twice what the rarest of them takes, and more. */
const MOST_SEEDS = 1_000;

describe("the campaign finds", () => {
  for (const planted of PLANTED) {
    test(planted.name, { timeout: 120_000 }, async () => {
      const done = await campaign({
        seed: 1,
        seeds: MOST_SEEDS,
        only: planted.only,
        subject: await plant(planted),
      });
      expect(done.failed, reportOf(done)).not.toBeNull();
      expect(planted.foundBy, reportOf(done)).toContain(done.failed?.violations[0]?.check);
    });
  }
});
