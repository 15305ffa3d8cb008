/**
 * `proper-lockfile`: a folder made beside the file is the lock. Without an end to its tries; the pause between them is as
 * redlock has it, since its own default doubles up to a second and more.
 */
import { join } from "node:path";
import type { Contender } from "../frame/contender.js";

const RETRIES = { forever: true, factor: 1, minTimeout: 100, maxTimeout: 300, randomize: true } as const;

export const properLockfile: Contender = {
  name: "proper-lockfile",
  kind: "peer",
  backends: ["sqlite"],
  packages: ["proper-lockfile"],
  async open({ address, namespace }) {
    const { lock } = await import("proper-lockfile");
    const pathOf = (name: string) => join(address, `lockfile-${namespace}-${name.replaceAll("/", "-")}`);
    // The file itself need not be there.
    const options = { realpath: false };
    return {
      take: async ([name = ""]) => ({ release: await lock(pathOf(name), options) }),
      takeInTurn: async (name) => ({ release: await lock(pathOf(name), { ...options, retries: RETRIES }) }),
      close() {},
    };
  },
};
