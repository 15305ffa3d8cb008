/** Two processes that open the same namespaces, for the suite to drive side by side. */
import { randomUUID } from "node:crypto";
import { type ProcessHost, processHost, type StoreFactory } from "@lease/testing";
import { afterAll, beforeAll } from "vitest";
import type { WorkerOptions } from "./backend.worker.ts";

const MODULE = new URL("backend.worker.ts", import.meta.url);

/** @param where - which server, once the tests run */
export function twoProcesses(where: () => Omit<WorkerOptions, "namespace">): StoreFactory {
  const hosts: ProcessHost[] = [];
  beforeAll(async () => {
    const started = [0, 1].map(() =>
      processHost({ module: MODULE, execArgv: ["--unhandled-rejections=strict", "--no-warnings"] }),
    );
    hosts.push(...(await Promise.all(started)));
  });
  afterAll(async () => {
    for (const host of hosts) await host.stop();
  });
  return async () => {
    const namespace = randomUUID();
    let opened = 0;
    return {
      open: async () => {
        opened += 1;
        const host = hosts[opened % hosts.length] as ProcessHost;
        return host.open({ ...where(), namespace } satisfies WorkerOptions);
      },
      close: async () => {},
    };
  };
}
