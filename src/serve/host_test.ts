import assert from "node:assert/strict";
import test from "node:test";
import { gate, settle } from "../../tests/conformance/controlled_source.ts";
import type { BlockReader, ReadOptions } from "../block/reader.ts";
import { openMemory } from "../block/memory.ts";
import type { ErrorCode } from "../errors.ts";
import { isCoded, ReadError } from "../errors.ts";
import type { ServedExport, ServeEvent, ServeOptions } from "./events.ts";
import { serveExports } from "./host.ts";
import type { ControlSetup, SmooTransport } from "./transport.ts";

// What goes over the wire is written here by hand from the protocol, not by our encoders.

const le = (value: number | bigint, size: number) =>
  Array.from(
    { length: size },
    (_, i) =>
      Number((BigInt(value) >> BigInt(8 * i)) & 255n)
        .toString(16).padStart(2, "0"),
  ).join("");
const hexOf = (bytes: Uint8Array) =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const fromHex = (hex: string) =>
  Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

const [READ, WRITE, FLUSH, DISCARD] = [0, 1, 2, 3] as const;
const ID = 0x11223344;

/** A Request, and a Response when `status` is not 0 or it went well. */
function message(
  opcode: number,
  id: number,
  lba: number | bigint,
  count: number,
  { exportId = ID, status = 0 } = {},
): string {
  return le(opcode, 1) + le(status, 1) + "0000" + le(id, 4) +
    le(exportId, 4) + le(lba, 8) + le(count, 4) + "00000000";
}

const IDENT = "534d4f4f00000100";
const status = (count = 1, session = 0x1122334455667788n) =>
  "0000" + (count > 0 ? "0100" : "0000") + le(count, 4) + le(session, 8);

type Answer = string | Error | undefined;

/** A gadget that does as it is told, and notes what the host does. */
class Gadget implements SmooTransport {
  /** In the order in which the host began: control transfers, Responses, payloads. */
  readonly log: string[] = [];
  /** Answers to STATUS; the last stays. Nothing: never answers. */
  statuses: Answer[] = [status()];
  ident: Answer = IDENT;
  /** Waited for by each transfer out, after it was noted. */
  hold: Promise<void> = Promise.resolve();
  holdBulk: Promise<void> = Promise.resolve();
  /** Ignores signals, as WebUSB does. */
  deaf = false;
  /** Transfers out whose note begins so fall short of a byte. */
  short = "nothing";
  reading = 0;
  readonly bulkLengths: number[] = [];
  #messages: Uint8Array[] = [];
  #payloads: Uint8Array[] = [];
  #waiting: (() => void)[] = [];
  #gone: Error | undefined;
  #watchers: (() => void)[] = [];
  #last = new Map<string, Promise<unknown>>();

  send(...messages: string[]): void {
    this.#messages.push(...messages.map(fromHex));
    this.#stir();
  }

  payload(size: number): void {
    this.#payloads.push(new Uint8Array(size).fill(0xee));
    this.#stir();
  }

  vanish(): void {
    this.#gone = new Error("no device");
    this.#stir();
  }

  /** Waits until the log has `count` lines, then gives those from `from`. */
  async logged(count: number, from = 0): Promise<string[]> {
    while (this.log.length < count) {
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
    return this.log.slice(from);
  }

  async interruptIn(length: number, options: ReadOptions) {
    this.reading++;
    assert.equal(length, 28);
    return await this.#inOrder(
      "interrupt IN",
      () => this.#wait(options, () => this.#messages.shift()),
    );
  }

  async bulkIn(length: number, options: ReadOptions) {
    this.bulkLengths.push(length);
    const poll = () => {
      const next = this.#payloads.shift();
      if (next === undefined || next.length <= length) return next;
      this.#payloads.unshift(next.subarray(length));
      return next.subarray(0, length);
    };
    return await this.#inOrder("bulk IN", () => this.#wait(options, poll));
  }

  async interruptOut(bytes: Uint8Array<ArrayBuffer>, options: ReadOptions) {
    return await this.#inOrder(
      "interrupt OUT",
      () => this.#out(`response ${hexOf(bytes)}`, bytes, options),
    );
  }

  async bulkOut(bytes: Uint8Array<ArrayBuffer>, options: ReadOptions) {
    const text = `payload ${bytes.length} ${bytes[0]} ${bytes.at(-1)}`;
    return await this.#inOrder(
      "bulk OUT",
      () => this.#out(text, bytes, options, this.holdBulk),
    );
  }

  async controlIn(
    { requestType, request, name }: ControlSetup,
    length: number,
    options: ReadOptions,
  ) {
    const type = { vendor: "c1", class: "a1" }[requestType];
    if (name === "LOG") throw new Error("stall");
    this.#note(`in ${type} ${le(request, 1)} ${length}`);
    const answer = name === "IDENT"
      ? this.ident
      : this.statuses.length > 1
      ? this.statuses.shift()
      : this.statuses[0];
    if (answer instanceof Error) throw answer;
    return await this.#wait(
      options,
      () => answer === undefined ? undefined : fromHex(answer),
    );
  }

  async controlOut(
    { requestType, request }: ControlSetup,
    bytes: Uint8Array<ArrayBuffer>,
    options: ReadOptions,
  ) {
    const type = { vendor: "41", class: "21" }[requestType];
    return await this.#out(
      `out ${type} ${le(request, 1)} ${hexOf(bytes)}`,
      bytes,
      options,
    );
  }

  /** Transfers on one pipe are done in the order of the calls. */
  #inOrder<T>(pipe: string, work: () => Promise<T>): Promise<T> {
    const result = (this.#last.get(pipe) ?? Promise.resolve()).then(work);
    this.#last.set(pipe, result);
    return result;
  }

  async #out(
    text: string,
    bytes: Uint8Array,
    options: ReadOptions,
    hold = this.hold,
  ): Promise<number> {
    this.#note(text);
    let held = true;
    hold.then(() => {
      held = false;
      this.#stir();
    });
    return await this.#wait(
      options,
      () =>
        held ? undefined : bytes.length - (text.startsWith(this.short) ? 1 : 0),
    );
  }

  #note(text: string): void {
    this.log.push(text);
    for (const seen of this.#watchers.splice(0)) seen();
  }

  async #wait<T>({ signal }: ReadOptions, poll: () => T | undefined) {
    if (!this.deaf) signal?.addEventListener("abort", () => this.#stir());
    for (;;) {
      if (this.#gone !== undefined) throw this.#gone;
      if (!this.deaf) signal?.throwIfAborted();
      const found = poll();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #stir(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Byte `i` of the image is the number of its 512-byte block. */
const image = (size: number) =>
  Uint8Array.from({ length: size }, (_, i) => Math.floor(i / 512));

/** A reader whose reads end when told to, by offset. */
class Slow implements BlockReader {
  readonly blockSize = 512;
  readonly name = "slow";
  readonly identity = "slow";
  readonly size = 512 * 64;
  readonly reads = new Map<number, {
    end: (error?: unknown) => void;
    signal: AbortSignal | undefined;
  }>();
  started = 0;

  async read(offset: number, into: Uint8Array, { signal }: ReadOptions = {}) {
    this.started++;
    await new Promise<void>((resolve, reject) => {
      const end = (error?: unknown) =>
        error === undefined ? resolve() : reject(error);
      this.reads.set(offset, { end, signal });
      signal?.addEventListener("abort", () => reject(signal.reason));
    });
    into.fill(offset / 512);
    return into.length;
  }
}

function start(
  exports: readonly ServedExport[] = [served(image(512 * 64))],
  options: ServeOptions = {},
  gadget = new Gadget(),
) {
  const cancel = new AbortController();
  const events: ServeEvent[] = [];
  const end = serveExports(gadget, exports, {
    signal: cancel.signal,
    onEvent: (event) => events.push(event),
    deviceLog: false,
    ...options,
  });
  end.catch(() => {});
  /** Ends the session, and gives what the gadget saw after the handshake. */
  const stop = async () => {
    cancel.abort("stopped");
    await assert.rejects(end, (error) => error === "stopped");
    return gadget.log.slice(3).filter((line) => !line.startsWith("in a1"));
  };
  return { gadget, events, end, cancel, stop };
}

function served(source: Uint8Array | BlockReader): ServedExport {
  const reader = source instanceof Uint8Array ? openMemory(source) : source;
  return { reader, blockSize: 512, exportId: ID };
}

async function rejects(end: Promise<unknown>, code: ErrorCode, text: RegExp) {
  await assert.rejects(end, (error) => {
    assert.ok(isCoded(error, code), String(error));
    assert.match(error.message, text);
    return true;
  });
}

test("serveExports() asks who it is, tells the exports and asks how it is", async () => {
  const reader: BlockReader = { ...openMemory(image(512)), size: 2 ** 30 };
  const { gadget, events, stop } = start([served(reader)]);
  assert.deepEqual(await gadget.logged(3), [
    "in c1 01 8",
    "out 41 02 00000100000000004433221100020000" +
    "00000040000000000100000000000000",
    "in a1 03 16",
  ]);
  await settle();
  assert.deepEqual(events, [{
    type: "started",
    ident: { major: 0, minor: 1 },
    status: { active: true, exportCount: 1, sessionId: 0x1122334455667788n },
  }]);
  assert.deepEqual(await stop(), []);
});

test("serveExports() refuses what is no gadget of smoo", async () => {
  const gadget = new Gadget();
  gadget.ident = "4153424c00000100";
  await rejects(start([], {}, gadget).end, "smoo.bad-ident", /magic/);
  assert.equal(gadget.log.length, 1);
  const stalling = new Gadget();
  stalling.ident = new Error("stall");
  await rejects(start([], {}, stalling).end, "smoo.lost", /on IDENT failed/);
  for (const deaf of [false, true]) {
    const silent = new Gadget();
    silent.ident = undefined;
    silent.deaf = deaf;
    const { end } = start([], { heartbeatMs: 5 }, silent);
    await rejects(end, "smoo.lost", /on IDENT failed/);
  }
});

test("serveExports() tries the first STATUS five times", async () => {
  const gadget = new Gadget();
  const stall = new Error("stall");
  gadget.statuses = [stall, stall, stall, stall, status()];
  const { stop } = start(undefined, {}, gadget);
  await gadget.logged(7);
  await settle();
  await stop();
  const dead = new Gadget();
  dead.statuses = [stall];
  await rejects(start(undefined, {}, dead).end, "smoo.lost", /on STATUS/);
  assert.equal(dead.log.length, 7);
  const other = new Gadget();
  other.statuses = ["0100" + status().slice(4)];
  await rejects(start(undefined, {}, other).end, "smoo.bad-status", /version/);
});

test("reads are answered with their blocks", async () => {
  const { gadget, events, stop } = start(undefined, { now: () => 0 });
  gadget.send(message(READ, 5, 3, 1), message(READ, 6, 8, 4));
  await gadget.logged(7);
  await settle();
  assert.deepEqual(await stop(), [
    `response ${message(READ, 5, 3, 1)}`,
    "payload 512 3 3",
    `response ${message(READ, 6, 8, 4)}`,
    "payload 2048 8 11",
  ]);
  const request = { opcode: "read", requestId: 5, exportId: ID } as const;
  assert.deepEqual(events[1], {
    type: "answered",
    request: { ...request, lba: 3n, blockCount: 1 },
    status: 0,
    bytes: 512,
    ms: 0,
    inFlight: 1,
    cause: undefined,
  });
  assert.equal(events.length, 3);
});

test("payloads come in the order of the Responses, and those as reads end", async () => {
  const slow = new Slow();
  const { gadget, stop } = start([served(slow)]);
  for (const id of [1, 2, 3]) gadget.send(message(READ, id, id, 1));
  gadget.send(message(FLUSH, 4, 0, 0));
  await gadget.logged(4);
  assert.equal(slow.started, 3);
  slow.reads.get(512 * 3)!.end();
  await gadget.logged(6);
  slow.reads.get(512 * 1)!.end();
  await gadget.logged(8);
  slow.reads.get(512 * 2)!.end();
  await gadget.logged(10);
  assert.deepEqual(await stop(), [
    `response ${message(FLUSH, 4, 0, 0)}`,
    `response ${message(READ, 3, 3, 1)}`,
    "payload 512 3 3",
    `response ${message(READ, 1, 1, 1)}`,
    "payload 512 1 1",
    `response ${message(READ, 2, 2, 1)}`,
    "payload 512 2 2",
  ]);
});

test("a payload never overtakes its Response, nor the payload before it", async () => {
  const { gadget, stop } = start();
  await gadget.logged(3);
  const responses = gate();
  const payloads = gate();
  gadget.hold = responses.opened;
  gadget.holdBulk = payloads.opened;
  gadget.send(message(READ, 1, 1, 1), message(READ, 2, 2, 1));
  await settle();
  assert.deepEqual(gadget.log.slice(3), [
    `response ${message(READ, 1, 1, 1)}`,
    "payload 512 1 1",
  ]);
  responses.open();
  await settle();
  assert.equal(gadget.log.at(-1), `response ${message(READ, 2, 2, 1)}`);
  payloads.open();
  await settle();
  assert.equal(gadget.log.at(-1), "payload 512 2 2");
  await stop();
});

test("a last block that is not full is filled up with zeros", async () => {
  const bytes = new Uint8Array(1000).fill(7);
  const { gadget, stop } = start([served(bytes)]);
  gadget.send(message(READ, 1, 1, 1), message(READ, 2, 2, 1));
  const [, config] = await gadget.logged(6);
  // 1000 bytes are two blocks.
  assert.equal(config!.slice(10 + 32, 10 + 48), le(1024, 8));
  assert.deepEqual(await stop(), [
    `response ${message(READ, 1, 1, 1)}`,
    "payload 512 7 0",
    `response ${message(READ, 2, 2, 1, { status: 22 })}`,
  ]);
});

test("what lies behind the end is zeros in memory that was used before, too", async () => {
  const { gadget, stop } = start([served(new Uint8Array(1000).fill(7))]);
  for (let id = 0; id < 3; id++) {
    const lines = gadget.log.length;
    gadget.send(message(READ, id, 0, 1));
    await gadget.logged(Math.max(lines, 3) + 2);
    await settle();
    gadget.send(message(READ, id, 1, 1));
    await gadget.logged(Math.max(lines, 3) + 4);
    await settle();
  }
  const payloads = (await stop()).filter((line) => line.startsWith("payload"));
  assert.deepEqual(
    payloads,
    Array.from(
      { length: 6 },
      (_, i) => `payload 512 7 ${i % 2 === 0 ? 7 : 0}`,
    ),
  );
});

test("the statistics add up what the caches of all exports tell", async () => {
  const exports = [1, 2, 3].map((exportId): ServedExport => ({
    ...served(image(512)),
    exportId,
    cache: exportId === 3 ? undefined : () => ({ hits: exportId, misses: 5 }),
  }));
  const { gadget, events, stop } = start(exports, { heartbeatMs: 5 });
  gadget.statuses = [status(3)];
  gadget.send(message(READ, 1, 0, 1, { exportId: 1 }));
  await gadget.logged(9);
  const reports = events.flatMap((e) => e.type === "statistics" ? [e] : []);
  assert.equal(reports.length, 1, "nothing new is nothing to tell");
  assert.deepEqual(reports[0]!.report.cache, { hits: 3, misses: 10 });
  assert.equal(reports[0]!.report.requests.read, 1);
  await stop();
});

test("a failed read is answered with its errno and no payload", async () => {
  const slow = new Slow();
  const { gadget, events, stop } = start([served(slow)]);
  const bad = new ReadError("read.failed", "Cannot read");
  const range = new RangeError("no");
  for (const id of [1, 2, 3]) gadget.send(message(READ, id, id, 1));
  await settle();
  slow.reads.get(512)!.end(bad);
  await settle();
  slow.reads.get(1024)!.end(range);
  await settle();
  slow.reads.get(1536)!.end();
  await gadget.logged(7);
  await settle();
  assert.deepEqual(await stop(), [
    `response ${message(READ, 1, 1, 1, { status: 5 })}`,
    `response ${message(READ, 2, 2, 1, { status: 22 })}`,
    `response ${message(READ, 3, 3, 1)}`,
    "payload 512 3 3",
  ]);
  const causes = events.flatMap((e) => e.type === "answered" ? [e.cause] : []);
  assert.deepEqual(causes, [bad, range, undefined]);
});

test("a reader that gives too little is an error, never zeros", async () => {
  const reader = { ...openMemory(image(512)), size: 1024 };
  const { gadget, stop } = start([served(reader)]);
  gadget.send(message(READ, 1, 0, 2));
  await gadget.logged(4);
  assert.deepEqual(await stop(), [
    `response ${message(READ, 1, 0, 2, { status: 5 })}`,
  ]);
});

test("requests that cannot be are answered, and the next one is served", async () => {
  const other = { exportId: 99 };
  const asked: [string, string][] = [
    [message(READ, 1, 64, 1), message(READ, 1, 64, 1, { status: 22 })],
    [message(READ, 2, 63, 2), message(READ, 2, 63, 2, { status: 22 })],
    [
      message(READ, 3, 2n ** 64n - 1n, 1),
      message(READ, 3, 2n ** 64n - 1n, 1, { status: 22 }),
    ],
    [
      message(READ, 4, 0, 0xffffffff),
      message(READ, 4, 0, 0xffffffff, { status: 22 }),
    ],
    [message(READ, 5, 0, 0), message(READ, 5, 0, 0)],
    [
      message(READ, 6, 0, 1, other),
      message(READ, 6, 0, 1, { ...other, status: 22 }),
    ],
    [
      message(FLUSH, 7, 0, 0, other),
      message(FLUSH, 7, 0, 0, { ...other, status: 22 }),
    ],
    [
      message(DISCARD, 8, 0, 1, other),
      message(DISCARD, 8, 0, 1, { ...other, status: 22 }),
    ],
    [
      message(WRITE, 9, 0, 0, other),
      message(WRITE, 9, 0, 0, { ...other, status: 22 }),
    ],
    [message(DISCARD, 10, 0, 1), message(DISCARD, 10, 0, 1, { status: 95 })],
    [message(WRITE, 11, 0, 0), message(WRITE, 11, 0, 0, { status: 95 })],
    [message(FLUSH, 12, 0, 0), message(FLUSH, 12, 0, 0)],
  ];
  const { gadget, stop } = start();
  gadget.send(...asked.map(([request]) => request));
  await gadget.logged(3 + asked.length);
  gadget.send(message(READ, 13, 1, 1));
  await gadget.logged(5 + asked.length);
  assert.deepEqual(await stop(), [
    ...asked.map(([, response]) => `response ${response}`),
    `response ${message(READ, 13, 1, 1)}`,
    "payload 512 1 1",
  ]);
});

test("a read larger than allowed is refused", async () => {
  const { gadget, stop } = start(undefined, { maxRequestBytes: 1024 });
  gadget.send(message(READ, 1, 0, 3), message(READ, 2, 0, 2));
  await gadget.logged(6);
  assert.deepEqual(await stop(), [
    `response ${message(READ, 1, 0, 3, { status: 22 })}`,
    `response ${message(READ, 2, 0, 2)}`,
    "payload 1024 0 1",
  ]);
});

test("writes are refused once their payload is taken", async () => {
  const { gadget, stop } = start();
  // The second lies outside of the export and takes more than one piece.
  gadget.send(message(WRITE, 1, 0, 2), message(WRITE, 2, 60, 4097));
  await settle();
  assert.equal(gadget.log.length, 3);
  gadget.payload(1024);
  await gadget.logged(4);
  gadget.payload(4097 * 512);
  gadget.send(message(READ, 3, 1, 1));
  await gadget.logged(7);
  assert.deepEqual(gadget.bulkLengths, [1024, 1 << 20, 1 << 20, 512]);
  assert.deepEqual(
    (await stop()).sort(),
    [
      "payload 512 1 1",
      `response ${message(READ, 3, 1, 1)}`,
      `response ${message(WRITE, 1, 0, 2, { status: 95 })}`,
      `response ${message(WRITE, 2, 60, 4097, { status: 95 })}`,
    ].sort(),
  );
});

test("a write whose payload has no known end ends the session", async () => {
  for (
    const request of [
      message(WRITE, 1, 0, 1, { exportId: 99 }),
      message(WRITE, 1, 0, 0x800000),
    ]
  ) {
    const { gadget, end } = start();
    gadget.send(request);
    await rejects(end, "smoo.unknown-payload", /^Cannot answer write 1 to/);
  }
  const twice = start();
  twice.gadget.send(message(WRITE, 1, 0, 1), message(WRITE, 1, 0, 1));
  await rejects(twice.end, "smoo.unknown-payload", /it came twice/);
  const { gadget, end } = start();
  gadget.send(message(WRITE, 1, 0, 2));
  gadget.payload(512);
  await rejects(end, "smoo.short-transfer", /bulk IN moved 512 bytes.* 1024$/);
});

test("an unknown opcode ends the session", async () => {
  const { gadget, end } = start();
  gadget.send(message(4, 1, 0, 1));
  await rejects(end, "smoo.bad-opcode", /opcode 4/);
});

test("messages that are no Request are dropped, until there are too many", async () => {
  const { gadget, events, end } = start();
  const garbage = ["", "00", hexOf(new TextEncoder().encode("getvar:product"))];
  gadget.send(...garbage, message(READ, 1, 1, 1), ...garbage);
  await gadget.logged(5);
  await settle();
  const strays = events.flatMap((e) => e.type === "stray" ? [e.length] : []);
  assert.deepEqual(strays, [0, 1, 14, 0, 1, 14]);
  const many = (length: number) => Array.from({ length }, () => "");
  gadget.send(...many(60), message(FLUSH, 2, 0, 0), ...many(63));
  gadget.send(message(FLUSH, 3, 0, 0));
  await gadget.logged(7);
  gadget.send(...many(64));
  await rejects(end, "smoo.stray-messages", /64 messages .* had 0 bytes/);
});

test("a gadget that vanishes ends the session and the reads", async () => {
  const slow = new Slow();
  const { gadget, end } = start([served(slow)]);
  for (let id = 0; id < 16; id++) gadget.send(message(READ, id, id, 1));
  await settle();
  assert.equal(slow.started, 16);
  gadget.vanish();
  await rejects(end, "smoo.lost", /on interrupt IN failed/);
  for (const { signal } of slow.reads.values()) assert.ok(signal?.aborted);

  // The payload fails while its Response hangs.
  const hung = start();
  await hung.gadget.logged(3);
  hung.gadget.hold = new Promise(() => {});
  hung.gadget.bulkOut = () => Promise.reject(new Error("halted"));
  hung.gadget.send(message(READ, 1, 1, 1));
  await rejects(hung.end, "smoo.lost", /on bulk OUT failed/);

  const next = start();
  next.gadget.holdBulk = new Promise(() => {});
  next.gadget.send(message(READ, 1, 1, 1));
  await next.gadget.logged(5);
  next.gadget.vanish();
  await rejects(next.end, "smoo.lost", /may have been unplugged/);
});

test("a transfer out that falls short ends the session", async () => {
  const cases = [
    ["response", /interrupt OUT moved 27 bytes, expected 28$/],
    ["payload", /bulk OUT moved 511 bytes, expected 512$/],
    ["out", /CONFIG_EXPORTS moved 31 bytes, expected 32$/],
  ] as const;
  for (const [short, text] of cases) {
    const gadget = new Gadget();
    gadget.short = short;
    const { end } = start(undefined, {}, gadget);
    gadget.send(message(READ, 1, 1, 1));
    await rejects(end, "smoo.short-transfer", text);
  }
});

test("cancelling rejects at once with the reason, whatever is under way", async () => {
  const never = new Promise<void>(() => {});
  const cases: ((gadget: Gadget) => void)[] = [
    (gadget) => gadget.ident = undefined,
    (gadget) => gadget.hold = never,
    (gadget) => gadget.statuses = [undefined],
    () => {},
    (gadget) => gadget.send(message(READ, 1, 1, 1)),
    (gadget) => {
      gadget.holdBulk = never;
      gadget.send(message(READ, 1, 1, 1));
    },
    (gadget) => gadget.send(message(WRITE, 1, 1, 1)),
  ];
  for (const deaf of [false, true]) {
    for (const prepare of cases) {
      const gadget = new Gadget();
      gadget.deaf = deaf;
      prepare(gadget);
      const { stop } = start(undefined, {}, gadget);
      await settle();
      await stop();
      const lines = gadget.log.length;
      await settle();
      assert.equal(gadget.log.length, lines);
    }
  }
  // What comes too late is not taken.
  const slow = new Slow();
  const late = start([served(slow)]);
  late.gadget.deaf = true;
  late.gadget.send(message(READ, 1, 1, 1));
  await settle();
  late.cancel.abort("stopped");
  assert.ok(slow.reads.get(512)!.signal?.aborted);
  late.gadget.send("00");
  await late.stop();
  await settle();
  assert.deepEqual(late.events.map(({ type }) => type), ["started"]);

  const gadget = new Gadget();
  const signal = AbortSignal.abort("before");
  await assert.rejects(
    serveExports(gadget, [], { signal }),
    (error) => error === "before",
  );
  assert.deepEqual(gadget.log, []);
});

test("32 exports are served, each from its own reader, and no 33rd", async () => {
  const exports = Array.from({ length: 33 }, (_, i) => ({
    reader: openMemory(new Uint8Array(65536).fill(i)),
    blockSize: 512 << (i % 8),
    exportId: 1000 + i,
  }));
  const gadget = new Gadget();
  gadget.statuses = [status(32)];
  const { stop } = start(exports.slice(0, 32), {}, gadget);
  for (let i = 0; i < 32; i++) {
    gadget.send(message(READ, 7, 0, 1, { exportId: 1000 + i }));
  }
  const [, config] = await gadget.logged(3 + 64);
  assert.equal(config!.length, "out 41 02 ".length + 2 * 776);
  assert.deepEqual(
    (await stop()).filter((line) => line.startsWith("payload")),
    exports.slice(0, 32).map(({ blockSize }, i) =>
      `payload ${blockSize} ${i} ${i}`
    ),
  );
  await assert.rejects(serveExports(gadget, exports), RangeError);
});

test("exports without an id get that of their content", async () => {
  const bytes = new Uint8Array(512 * 1024);
  const reader = openMemory(bytes, { identity: "file:/dev/null" });
  const { gadget, stop } = start([{ reader, blockSize: 512 }]);
  const [, config] = await gadget.logged(3);
  assert.equal(config!.slice(10 + 16, 10 + 24), le(0xf67974ef, 4));
  await stop();
  const twice = [{ reader, blockSize: 512 }, { reader, blockSize: 512 }];
  await assert.rejects(serveExports(gadget, twice), /0xf67974ef twice/);
});

test("heartbeats go on while reads and transfers stand still", async () => {
  const slow = new Slow();
  const gadget = new Gadget();
  const { events, stop } = start(
    [served(slow)],
    { heartbeatMs: 5, maxRequests: 1 },
    gadget,
  );
  gadget.send(message(READ, 1, 1, 1), message(READ, 2, 2, 1));
  await gadget.logged(3 + 4);
  assert.ok(gadget.log.slice(3).every((line) => line === "in a1 03 16"));
  assert.ok(events.some(({ type }) => type === "status"));
  assert.equal(slow.started, 1);
  await stop();
});

test("five heartbeats missed in a row end the session, four do not", async () => {
  const gadget = new Gadget();
  const stall = new Error("stall");
  const four = [stall, "00", stall, stall];
  gadget.statuses = [status(), ...four, status(), ...four, stall];
  const { end, events } = start(undefined, { heartbeatMs: 2 }, gadget);
  await rejects(end, "smoo.lost", /missed 5 heartbeats/);
  assert.deepEqual(
    events.map((e) => e.type === "missed" ? e.misses : e.type),
    ["started", 1, 2, 3, 4, "status", 1, 2, 3, 4, 5],
  );
});

test("STATUS without an answer counts and is not asked again", async () => {
  for (const deaf of [false, true]) {
    const gadget = new Gadget();
    gadget.deaf = deaf;
    gadget.statuses = [status(), status(), undefined];
    const { end, events } = start(undefined, { heartbeatMs: 5 }, gadget);
    await rejects(end, "smoo.lost", /missed 5 heartbeats|on STATUS failed/);
    const misses = events.flatMap((e) => e.type === "missed" ? e.misses : []);
    assert.ok(misses.length > 0 && misses.length <= 6, misses.join());
    assert.deepEqual(misses, misses.map((_, i) => i + 1));
    const asked = gadget.log.filter((line) => line.startsWith("in a1"));
    assert.equal(asked.length, 3);
  }
});

test("another session of the gadget ends ours", async () => {
  const gadget = new Gadget();
  gadget.statuses = [status(1, 5n), status(1, 5n), status(1, 6n)];
  gadget.send(message(READ, 1, 1, 1));
  const slow = new Slow();
  const { end } = start([served(slow)], { heartbeatMs: 2 }, gadget);
  const expected = { reason: "session-changed", before: 5n, after: 6n };
  assert.deepEqual(await end, expected);
  assert.ok(slow.reads.get(512)!.signal?.aborted);
  const lines = gadget.log.length;
  await settle();
  assert.equal(gadget.log.length, lines);
});

test("a gadget that lost its exports is told them again", async () => {
  const gadget = new Gadget();
  const none = status(0);
  gadget.statuses = [none, none, none, status()];
  gadget.statuses.push(none, none, none, none, none, none, status());
  const { events, stop } = start(undefined, { heartbeatMs: 2 }, gadget);
  const log = await gadget.logged(16);
  await settle();
  await stop();
  assert.deepEqual(log.flatMap((l, i) => l.startsWith("out") ? [i] : []), [
    1,
    9,
    13,
  ]);
  assert.equal(log[9], log[1]);
  const again = events.filter(({ type }) => type === "configured-again");
  assert.equal(again.length, 2);
});

test("no more requests and bytes are under way than allowed", async () => {
  for (
    const limits of [{ maxRequests: 2 }, { maxBytes: 1024 }, { maxBytes: 1100 }]
  ) {
    const slow = new Slow();
    const { gadget, stop } = start([served(slow)], limits);
    for (let id = 0; id < 4; id++) gadget.send(message(READ, id, id, 1));
    await settle();
    assert.equal(slow.started, 2);
    // What there is no room for at all is left with the gadget.
    assert.equal(gadget.reading, "maxRequests" in limits ? 2 : 3);
    slow.reads.get(0)!.end();
    await settle();
    assert.equal(slow.started, 3);
    await stop();
  }
  // What is larger than the limit is served alone.
  const { gadget, stop } = start(undefined, { maxBytes: 1 });
  gadget.send(message(READ, 1, 1, 1), message(READ, 2, 2, 1));
  await gadget.logged(7);
  await stop();
});

test("what is asked for twice is answered once", async () => {
  const slow = new Slow();
  const { gadget, events, stop } = start([served(slow)]);
  gadget.send(message(READ, 1, 1, 1), message(READ, 1, 1, 1));
  await settle();
  slow.reads.get(512)!.end();
  await settle();
  // Answered: from now on it is a new request, though it is the same.
  gadget.send(message(READ, 1, 1, 1));
  await settle();
  assert.equal(slow.started, 2);
  slow.reads.get(512)!.end();
  await gadget.logged(7);
  const line = `response ${message(READ, 1, 1, 1)}`;
  const payload = "payload 512 1 1";
  await settle();
  assert.deepEqual(await stop(), [line, payload, line, payload]);
  assert.equal(events.filter(({ type }) => type === "repeated").length, 1);
  assert.equal(events.filter(({ type }) => type === "answered").length, 2);
});

test("an id that is used for something else drops the read that had it", async () => {
  const slow = new Slow();
  const { gadget, events, stop } = start([served(slow)], { maxRequests: 2 });
  gadget.send(message(READ, 1, 1, 1), message(READ, 1, 2, 1));
  await settle();
  slow.reads.get(512)!.end();
  slow.reads.get(1024)!.end();
  await gadget.logged(5);
  gadget.send(message(READ, 2, 3, 1));
  await settle();
  gadget.send(message(FLUSH, 2, 3, 1));
  await settle();
  slow.reads.get(1536)!.end();
  gadget.send(message(READ, 3, 4, 1));
  await settle();
  const first = slow.reads.get(2048)!;
  gadget.send(message(READ, 3, 4, 2));
  await settle();
  first.end();
  slow.reads.get(2048)!.end();
  await gadget.logged(8);
  assert.deepEqual(await stop(), [
    `response ${message(READ, 1, 2, 1)}`,
    "payload 512 2 2",
    `response ${message(FLUSH, 2, 3, 1)}`,
    `response ${message(READ, 3, 4, 2)}`,
    "payload 1024 4 4",
  ]);
  assert.equal(events.filter(({ type }) => type === "superseded").length, 3);
});

test("serveExports() refuses limits that are none", async () => {
  for (const value of [0, -1, 0.5, NaN]) {
    for (
      const name of [
        "maxRequests",
        "maxBytes",
        "maxRequestBytes",
        "heartbeatMs",
      ]
    ) {
      await assert.rejects(
        serveExports(new Gadget(), [], { [name]: value }),
        RangeError,
      );
    }
  }
});
