import { writeSync } from "node:fs";
import type { Reporter, SerializedError, TestModule } from "vitest/node";

/** The seconds that the files of each project ran, loading included, so that a project that grows is seen. */
class ProjectTimes {
  readonly #startedAt = new Map<string, number>();
  readonly #projects = new Map<string, { files: number; ms: number }>();

  start(module: TestModule): void {
    this.#startedAt.set(module.id, performance.now());
  }

  end(module: TestModule): void {
    const startedAt = this.#startedAt.get(module.id);
    if (startedAt === undefined) return;
    const project = this.#projects.get(module.project.name) ?? { files: 0, ms: 0 };
    project.files += 1;
    project.ms += performance.now() - startedAt;
    this.#projects.set(module.project.name, project);
  }

  /** One line a project, the longest first. Files of several projects run side by side: the sum is not the wall time. */
  table(): string {
    const rows = [...this.#projects].sort(([, a], [, b]) => b.ms - a.ms);
    const width = Math.max(7, ...rows.map(([name]) => name.length));
    const line = (name: string, files: string, seconds: string) =>
      `${name.padEnd(width)} ${files.padStart(6)} ${seconds.padStart(8)}\n`;
    const body = rows.map(([name, { files, ms }]) => line(name, `${files}`, (ms / 1_000).toFixed(1)));
    return line("project", "files", "seconds") + body.join("");
  }
}

/**
 * Ends a run with what each project took, and the one line `N passed, N failed` (`, N skipped`), summed over all
 * projects. It is written when the process exits, because the coverage table and its verdict come after the last
 * reporter hook.
 */
export default class LastLineReporter implements Reporter {
  readonly #times = new ProjectTimes();
  #lastLine: ((exitCode: number) => string) | undefined;

  constructor() {
    process.once("exit", (exitCode) => {
      if (this.#lastLine !== undefined) writeAll(`\n${this.#times.table()}\n${this.#lastLine(exitCode)}\n`);
    });
  }

  onTestModuleQueued(module: TestModule): void {
    this.#times.start(module);
  }

  onTestModuleEnd(module: TestModule): void {
    this.#times.end(module);
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
    this.#lastLine = (exitCode) => {
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
