/**
 * The least that a lock over plain ioredis can do: `SET NX PX` to take it and a compare-and-delete to give it back. No
 * line, no fencing, no history. Who waits is told by a message of the release (a baton), and tries again.
 */
import { randomUUID } from "node:crypto";
import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import type { Contender } from "../frame/contender.js";

const TTL_MS = 30_000;
/** For a message that was lost: a baton that nobody hears of is tried for again. */
const TRY_AGAIN_MS = 1_000;

const DELETE_MINE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

const PASS_ON = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', KEYS[1], '')
return 1`;

const EXTEND_MINE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0`;

/** All or nothing, which `MSETNX` would be without an expiry. (Not `SET`: that is counted as sent.) */
const TAKE_ALL = `
if redis.call('EXISTS', unpack(KEYS)) > 0 then return 0 end
for _, key in ipairs(KEYS) do redis.call('PSETEX', key, ARGV[2], ARGV[1]) end
return 1`;

const DELETE_ALL_MINE = `
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
return 1`;

interface Scripted extends Redis {
  deleteMine(key: string, token: string): Promise<number>;
  passOn(key: string, token: string): Promise<number>;
  extendMine(key: string, token: string, ttlMs: number): Promise<number>;
  takeAll(count: number, ...keysTokenTtl: (string | number)[]): Promise<number>;
  deleteAllMine(count: number, ...keysToken: string[]): Promise<number>;
}

export const redisRaw: Contender = {
  name: "raw ioredis",
  kind: "raw",
  backends: ["redis"],
  packages: ["ioredis"],
  takesMany: true,
  renews: true,
  sends: ["set", "evalsha", "eval"],
  async open({ address, namespace }) {
    const client = new Redis(address) as Scripted;
    client.defineCommand("deleteMine", { numberOfKeys: 1, lua: DELETE_MINE });
    client.defineCommand("passOn", { numberOfKeys: 1, lua: PASS_ON });
    client.defineCommand("extendMine", { numberOfKeys: 1, lua: EXTEND_MINE });
    client.defineCommand("takeAll", { lua: TAKE_ALL });
    client.defineCommand("deleteAllMine", { lua: DELETE_ALL_MINE });
    await client.ping();
    const batons = new Batons(address);
    const key = (name: string) => `raw:${namespace}:${name}`;

    const take = async (name: string) => {
      const token = randomUUID();
      if ((await client.set(key(name), token, "PX", TTL_MS, "NX")) !== "OK") return null;
      return token;
    };
    return {
      async take(names) {
        const [name = ""] = names;
        if (names.length === 1) {
          const token = await take(name);
          if (token === null) throw new Error(`${name} should be free`);
          return {
            renew: () => client.extendMine(key(name), token, TTL_MS),
            release: () => client.deleteMine(key(name), token),
          };
        }
        const token = randomUUID();
        const keys = names.map(key);
        if ((await client.takeAll(keys.length, ...keys, token, TTL_MS)) !== 1) {
          throw new Error(`${names} should be free`);
        }
        return { release: () => client.deleteAllMine(keys.length, ...keys, token) };
      },
      async takeInTurn(name) {
        await batons.listen(key(name));
        for (;;) {
          // Heard from before it asks: the message may come before the answer.
          const passed = batons.next();
          const token = await take(name);
          if (token !== null) return { release: () => client.passOn(key(name), token) };
          await Promise.race([passed, sleep(TRY_AGAIN_MS, undefined, { ref: false })]);
        }
      },
      close() {
        client.disconnect();
        batons.close();
      },
    };
  },
};

/** The messages that a baton was put down. */
class Batons {
  readonly #url: string;
  readonly #heard = new EventEmitter();
  #listening: Promise<Redis> | undefined;

  constructor(url: string) {
    this.#url = url;
    // Everybody in line listens.
    this.#heard.setMaxListeners(0);
  }

  async listen(channel: string): Promise<void> {
    this.#listening ??= (async () => {
      const client = new Redis(this.#url);
      client.on("message", () => this.#heard.emit("passed"));
      await client.subscribe(channel);
      return client;
    })();
    await this.#listening;
  }

  next(): Promise<void> {
    return new Promise((resolve) => this.#heard.once("passed", resolve));
  }

  close(): void {
    void this.#listening?.then((client) => client.disconnect());
  }
}
