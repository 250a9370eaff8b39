import assert from "node:assert/strict";
import test from "node:test";
import { isCoded } from "../errors.ts";
import {
  MISBEHAVIOURS,
  startHttpServer,
} from "../../tests/support/http_server.ts";
import { within } from "../../tests/conformance/controlled_source.ts";
import {
  assertReads,
  failsWith,
  FILE,
  NEVER,
  QUICK,
  QuickClock,
  same,
  until,
  withServer,
} from "../../tests/support/http_world.ts";
import { withHttpAccess } from "./access.ts";
import type { Clock } from "./clock.ts";
import { Gate } from "./gate.ts";
import { openHttp } from "./open.ts";
import type { HttpEvent } from "./options.ts";

test("waits between attempts double up to a limit, half of each by chance", async () => {
  for (const chance of [0, 1]) {
    await withServer({}, async (server) => {
      const clock = new QuickClock();
      const events: HttpEvent[] = [];
      const reader = await openHttp(server.url(), {
        clock,
        random: () => chance,
        stallMs: NEVER,
        retries: 5,
        retryDelayMs: 100,
        maxRetryDelayMs: 500,
        onEvent: (event) => events.push(event),
      });
      server.settings.behave = () => "503";
      const read = reader.read(100_000, new Uint8Array(10));
      const message = await failsWith("http.status", read);
      assert.match(message, /expected 206, 6 times in a row; try again later$/);
      const most = [100, 200, 400, 500, 500];
      assert.deepEqual(clock.waits, most.map((ms) => ms / (chance ? 1 : 2)));
      assert.equal(server.requests.length, 7);
      assert.equal(reader.statistics.retries, 5);
      assert.deepEqual(events.at(-1), {
        type: "retry",
        code: "http.status",
        found: "server answered 503 Service Unavailable",
        attempt: 5,
        delayMs: clock.waits[4],
      });
    });
  }
});

test("attempts that bring something do not count against those to come", async () => {
  await withServer({}, async (server) => {
    const reader = await openHttp(server.url(), { ...QUICK, retries: 1 });
    server.settings.behave = () => "reset in the body";
    // each brings half of what is left: 100000, 50000 … 6250, 3125 and 1562 are too little
    const read = reader.read(100_000, new Uint8Array(200_000));
    await failsWith("http.network", read);
    const ranges = server.requests.slice(1).map(({ range }) => range!.start);
    assert.deepEqual(ranges.slice(0, 3), [100_000, 200_000, 250_000]);
    assert.ok(ranges.length >= 6, `${ranges}`);
    server.settings.behave = ({ index }) =>
      index % 2 === 0 ? "reset in the body" : undefined;
    await assertReads(reader, 70_000, 200_000);
  });
});

test("Retry-After holds all requests of a reader back", async () => {
  await withServer({ retryAfter: 1 }, async (server) => {
    const reader = await openHttp(server.url(), { ...QUICK, maxConcurrent: 2 });
    server.settings.behave = ({ index }) =>
      index === 1 ? "429 with seconds" : undefined;
    const first = assertReads(reader, 100_000, 10);
    await until(() => {
      const { requests, openRequests } = reader.statistics;
      return requests === 2 && openRequests === 0;
    });
    await Promise.all([
      first,
      ...[1, 2, 3].map((i) => assertReads(reader, 110_000 + i * 100, 10)),
    ]);
    const [refused, ...later] = server.requests.slice(1).map(({ at }) => at);
    assert.equal(later.length, 4);
    for (const at of later) assert.ok(at - refused! >= 950, `${at - refused!}`);
  });
});

test("a Retry-After that is too long ends the read, and says for how long", async () => {
  await withServer({ retryAfter: 3600 }, async (server) => {
    server.settings.behave = () => "429 with a date";
    await assert.rejects(openHttp(server.url(), QUICK), (error) => {
      assert.ok(isCoded(error, "http.status"));
      assert.equal(error.facts["retryAfterMs"], 3_600_000);
      assert.match(error.message, /; try again in 3600 s$/);
      return true;
    });
    assert.equal(server.requests.length, 1);
  });
});

test("a link that nobody answers is given up soon", async () => {
  const server = await startHttpServer({ content: FILE });
  const url = server.url();
  await server.close();
  const clock = new QuickClock();
  const options = { clock, stallMs: NEVER, random: () => 1 };
  await failsWith("http.network", openHttp(url, options));
  assert.deepEqual(clock.waits, [250, 500]);
});

test("requests are bounded, and begin in the order of the reads", async () => {
  await withServer({}, async (server) => {
    const began: (string | null)[] = [];
    let open = () => 0;
    let most = 0;
    const reader = await openHttp(server.url(), {
      ...QUICK,
      maxConcurrent: 3,
      fetch: (url, init) => {
        began.push(new Headers(init?.headers).get("range"));
        most = Math.max(most, open());
        return fetch(url, init);
      },
    });
    open = () => reader.statistics.openRequests;
    const offsets = Array.from({ length: 40 }, (_, i) => 299_000 - i * 1000);
    await Promise.all(offsets.map((at) => assertReads(reader, at, 10)));
    assert.equal(most, 3);
    const wanted = offsets.map((at) => `bytes=${at}-${at + 9}`);
    assert.deepEqual(began.slice(1), wanted);
  });
});

test("Gate lets in who was in before, and forgets who left", async () => {
  const gate = new Gate(1, new QuickClock());
  const leave = await gate.enter(undefined);
  const order: string[] = [];
  const enter = async (name: string, first = false, signal?: AbortSignal) => {
    const leave = await gate.enter(signal, first);
    order.push(name);
    leave();
    leave(); // twice is fine
  };
  const left = new AbortController();
  const gone = enter("gone", false, left.signal);
  const all = [enter("a"), enter("b"), enter("again", true)];
  left.abort(new Error("left"));
  await assert.rejects(gone, /left/);
  leave();
  await Promise.all(all);
  assert.deepEqual(order, ["again", "a", "b"]);
  assert.equal(gate.inside, 0);
});

/** Time that passes when told, and the timers that wait for it. */
class ManualClock implements Clock {
  time = 1e12;
  readonly timers = new Set<
    { readonly ms: number; readonly call: () => void }
  >();

  now(): number {
    return this.time;
  }

  after(ms: number, call: () => void): () => void {
    const timer = { ms, call };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Lets all timers end. */
  fire(): void {
    for (const timer of [...this.timers]) {
      this.timers.delete(timer);
      timer.call();
    }
  }
}

test("Gate leaves no timer behind when all who waited have left", async () => {
  const clock = new ManualClock();
  const gate = new Gate(2, clock);
  gate.closeFor(3000);
  const controllers = [new AbortController(), new AbortController()];
  const waits = controllers.map(({ signal }) => gate.enter(signal));
  for (const wait of waits) wait.catch(() => {});
  controllers[0]!.abort();
  assert.deepEqual([...clock.timers].map(({ ms }) => ms), [3000]);
  controllers[1]!.abort();
  assert.equal(clock.timers.size, 0);
  await Promise.allSettled(waits);
});

test("Gate is closed for as long as it was told, also when the clock is set back", async () => {
  const clock = new ManualClock();
  const gate = new Gate(1, clock);
  gate.closeFor(3000);
  gate.closeFor(10);
  clock.time -= 3600_000;
  const entered = gate.enter(undefined);
  assert.deepEqual([...clock.timers].map(({ ms }) => ms), [3000]);
  clock.fire();
  assert.equal(clock.timers.size, 0);
  (await entered)();
  // longer, while somebody waits already
  gate.closeFor(1000);
  const later = gate.enter(undefined);
  clock.time += 500;
  gate.closeFor(2000);
  clock.time += 500;
  clock.fire();
  assert.deepEqual([...clock.timers].map(({ ms }) => ms), [1500]);
  clock.fire();
  (await later)();
});

test("an aborted read ends its request, and no other", async () => {
  await withServer({}, async (server) => {
    const reader = await openHttp(server.url(), QUICK);
    server.settings.behave = ({ range }) =>
      range!.start === 100_000 ? "stall in the body" : undefined;
    server.settings.latencyMs = 50;
    const controller = new AbortController();
    const into = new Uint8Array(50_000);
    const { signal } = controller;
    const left = reader.read(100_000, into, { signal });
    left.catch(() => {});
    const stays = assertReads(reader, 200_000, 1000);
    const log = () =>
      server.requests.find(({ range }) => range!.start === 100_000);
    await until(() => (log()?.sent ?? 0) > 0);
    const reason = new Error("left");
    controller.abort(reason);
    await assert.rejects(within(1000, left), (error) => error === reason);
    into.fill(0xa5);
    await stays;
    await until(() => server.open === 0);
    assert.equal(log()!.ended, "aborted");
    assert.ok(into.every((byte) => byte === 0xa5));
    assert.equal(reader.statistics.openRequests, 0);
  });
});

test("aborting ends a wait for the next attempt, for a place and for a redirect", async () => {
  await withServer({}, async (server) => {
    const reader = await openHttp(server.url(), {
      maxConcurrent: 1,
      retryDelayMs: 60_000,
      maxRetryDelayMs: 60_000,
    });
    server.settings.behave = ({ range }) =>
      range!.start === 100_000 ? "503" : "stall before the answer";
    const reason = new Error("left");
    const controller = new AbortController();
    const { signal } = controller;
    const read = (at: number) =>
      reader.read(at, new Uint8Array(10), { signal });
    const all = [read(100_000)];
    await until(() => server.requests.length === 2 && server.open === 0);
    all.push(read(200_000), read(201_000));
    await until(() => server.requests.length === 3);
    controller.abort(reason);
    const ends = await within(1000, Promise.allSettled(all));
    for (const end of ends) {
      assert.equal((end as PromiseRejectedResult).reason, reason);
    }
    await until(() => server.open === 0);
  });
});

test("a shared request ends when the last who waits for it has left", async () => {
  await withServer({}, async (server) => {
    const reader = await openHttp(server.url(), QUICK);
    const shared = withHttpAccess(reader);
    server.settings.behave = () => "stall in the body";
    const controllers = [new AbortController(), new AbortController()];
    const all = controllers.map(({ signal }) =>
      shared.read(100_000, new Uint8Array(1000), { signal })
    );
    for (const read of all) read.catch(() => {});
    await until(() => (server.requests[1]?.sent ?? 0) > 0);
    controllers[0]!.abort(new Error("first"));
    await assert.rejects(all[0]!, /first/);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(server.open, 1);
    controllers[1]!.abort(new Error("second"));
    await assert.rejects(all[1]!, /second/);
    await until(() => server.open === 0);
    assert.equal(server.requests.length, 2);
    server.settings.behave = () => undefined;
    await assertReads(shared, 100_000, 1000);
  });
});

test("closing ends what is under way, and what comes later", async () => {
  await withServer({}, async (server) => {
    const reader = await openHttp(server.url(), QUICK);
    server.settings.behave = () => "stall in the body";
    const { signal } = new AbortController();
    const reads = [
      reader.read(100_000, new Uint8Array(10)),
      reader.read(110_000, new Uint8Array(10), { signal }),
    ];
    for (const read of reads) read.catch(() => {});
    await until(() => server.open === 2);
    await reader.close();
    for (const read of reads) await failsWith("read.closed", read);
    await failsWith("read.closed", reader.read(0, new Uint8Array(1)));
    await reader.close();
    await until(() => server.open === 0);
  });
});

test("1000 reads at once over a failing server all end, in bytes or a code", async () => {
  // by a number that is the same in every run
  const modes = MISBEHAVIOURS.filter((how) => !/429|stall|redirect/.test(how));
  for (const failing of [modes, ["503", "reset in the body", "garbage"]]) {
    await withServer({}, async (server) => {
      const reader = await openHttp(server.url(), {
        ...QUICK,
        maxConcurrent: 16,
      });
      server.settings.behave = ({ index }) => {
        const dice = (index * 2654435761) >>> 8;
        if (dice % 4 !== 0) return undefined;
        return failing[dice % failing.length] as typeof modes[number];
      };
      const { signal } = new AbortController();
      const reads = Array.from({ length: 1000 }, async (_, i) => {
        const offset = 65536 + (i * 7919) % 200_000;
        const into = new Uint8Array(1 + i % 3000);
        await reader.read(offset, into, i % 2 === 0 ? {} : { signal });
        assert.ok(same(into, FILE.subarray(offset, offset + into.length)));
      });
      const ends = await within(60_000, Promise.allSettled(reads));
      for (const end of ends) {
        if (end.status === "fulfilled") continue;
        assert.ok(isCoded(end.reason), `${end.reason}`);
        assert.match(end.reason.code, /^http\./);
      }
      assert.equal(reader.statistics.openRequests, 0);
      assert.ok(server.most <= 16);
      await until(() => server.open === 0);
    });
  }
});
