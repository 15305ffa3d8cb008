import { writeSync } from "node:fs";
import type { Reporter, SerializedError, TestModule } from "vitest/node";

/**
 * Ends a run with the one line `N passed, N failed` (`, N skipped`), summed over all projects. It is written when
 * the process exits, because the coverage table and its verdict come after the last reporter hook.
 */
export default class LastLineReporter implements Reporter {
  #line: ((exitCode: number) => string) | undefined;

  constructor() {
    process.once("exit", (exitCode) => {
      if (this.#line !== undefined) writeAll(`${this.#line(exitCode)}\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    let brokenFiles = 0;
    for (const module of modules) {
      const failedBefore = count.failed;
      for (const test of module.children.allTests()) count[test.result().state] += 1;
      // A file that fails to load, or a hook that throws, has no failed test of its own.
      if (module.state() === "failed" && count.failed === failedBefore) brokenFiles += 1;
    }
    // A test that never got to run is no pass.
    const failed = count.failed + count.pending + brokenFiles + unhandled.length;
    this.#line = (exitCode) => {
      // A missed coverage threshold fails the run without failing a test: the line must not say otherwise.
      const verdict = failed === 0 && exitCode !== 0 ? 1 : failed;
      const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
      return `${count.passed} passed, ${verdict} failed${skipped}`;
    };
  }
}

/** Synchronous and complete: stdout may be a pipe in non-blocking mode, whose reader is slow. */
function writeAll(text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
