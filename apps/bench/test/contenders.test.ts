/** Each contender alone: it locks, it waits for its turn, it renews. One that does not would be measured as quick. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CONTENDERS, contendersOn } from "../src/contenders/index.ts";
import {
  BACKENDS,
  type BackendName,
  type Claimer,
  type Contender,
  type Place,
} from "../src/frame/contender.ts";
import { Stores } from "../src/frame/stores.ts";

const stores = new Stores();
/** One of each, in which every test has a namespace of its own: a fresh one would empty the server under the others. */
const places = new Map<BackendName, Place>();
let tests = 0;

beforeAll(async () => {
  await Promise.all(
    BACKENDS.map(async (backend) => places.set(backend, await (await stores.get(backend)).fresh())),
  );
});
afterAll(() => stores.close());

const those = (can: (contender: Contender) => boolean) =>
  CONTENDERS.filter(can).flatMap((contender) =>
    contender.backends.map((backend) => [contender.name, backend, contender] as const),
  );

async function withClaimer(
  backend: BackendName,
  contender: Contender,
  run: (claimer: Claimer) => Promise<void>,
) {
  tests += 1;
  const claimer = await contender.open({ ...(places.get(backend) as Place), namespace: `test-${tests}` });
  try {
    await run(claimer);
  } finally {
    await claimer.close();
  }
}

/** Those that wait, whoever asks, never refuse. */
const refuses = ({ kind, name }: Contender) => kind !== "peer" && name !== "lease, by managers";

describe.concurrent("each contender", () => {
  test.each(those(({ onlyPasses = false }) => !onlyPasses))(
    "%s on %s locks, and unlocks",
    (_, backend, contender) =>
      withClaimer(backend, contender, async (claimer) => {
        const held = await claimer.take(["r"], 0);
        if (refuses(contender)) await expect((async () => claimer.take(["r"], 1))()).rejects.toThrow();
        await held.release();
        await (await claimer.take(["r"], 1)).release();
        await claimer.tidy?.();
      }),
  );

  test.each(those(({ renews = false }) => renews))(
    "%s on %s renews, more than once",
    (_, backend, contender) =>
      withClaimer(backend, contender, async (claimer) => {
        const held = await claimer.take(["r"], 0);
        await held.renew?.();
        await held.renew?.();
        await held.release();
      }),
  );

  test.each(those(({ takesMany = false }) => takesMany))(
    "%s on %s takes several at once",
    (_, backend, contender) =>
      withClaimer(backend, contender, async (claimer) => {
        const names = ["a", "b", "c"];
        await (await claimer.take(names, 0)).release();
        for (const name of names) await (await claimer.take([name], 1)).release();
      }),
  );

  test.each(those(({ waits = true, onlyPasses = false }) => waits && !onlyPasses))(
    "%s on %s lets the next one wait until the release",
    (_, backend, contender) =>
      withClaimer(backend, contender, async (claimer) => {
        const inTurn = claimer.takeInTurn;
        if (inTurn === undefined) throw new Error("it cannot wait");
        const first = await inTurn("r", 0);
        let released = false;
        const next = inTurn("r", 1).then((held) => ({ held, tooEarly: !released }));
        // Its question has surely arrived when another one is answered.
        await (await claimer.take(["other"], 2)).release();
        released = true;
        await first.release();
        const { held, tooEarly } = await next;
        expect(tooEarly).toBe(false);
        await held.release();
      }),
  );
});

test("file notifications go from one seat to the other", async () => {
  const contender = CONTENDERS.find(({ onlyPasses }) => onlyPasses);
  const place = places.get("sqlite") as Place;
  const [first, second] = await Promise.all(
    [0, 1].map((number) => contender?.open(place, { number, of: 2 }) as Promise<Claimer>),
  );
  const held = await first?.takeInTurn?.("r", 0);
  const next = second?.takeInTurn?.("r", 0);
  await held?.release();
  await (await next)?.release();
  await first?.close();
  await second?.close();
});

test("each is named once, and every backend has ours and something to be held against", () => {
  for (const backend of BACKENDS) {
    const contenders = contendersOn(backend, true);
    expect(new Set(contenders.map(({ name }) => name)).size).toBe(contenders.length);
    expect(contenders.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["ours", "peer"]));
    expect(contendersOn(backend, false).map(({ kind }) => kind)).not.toContain("peer");
  }
});
