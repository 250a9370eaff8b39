import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { READ, SmooGadget, WRITE } from "../../tests/support/smoo_gadget.ts";
import { isRight, patternReader } from "../../tests/support/smoo_serving.ts";
import { isCoded } from "../errors.ts";
import { serveExports } from "./host.ts";
import { openSmooTransport } from "./usb_transport.ts";

// What a gadget may send that means no good. Whatever it is, the session ends with a code or goes on
// and answers; a read gives its own bytes or none.

const SIZE = 1 << 20;
const MAX_BYTES = 256 << 10;
const PROBE = 0xfffffff0;

function message(
  opcode: number,
  id: number,
  exportId: number,
  lba: bigint,
  count: number,
  junk = 0,
): Uint8Array {
  const bytes = new Uint8Array(28).fill(junk);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, opcode);
  view.setUint32(4, id, true);
  view.setUint32(8, exportId, true);
  view.setBigUint64(12, lba, true);
  view.setUint32(20, count, true);
  return bytes;
}

/** Reads all that the host sends, and holds it against the image. */
class Sink {
  readonly wrong: string[] = [];
  readonly statuses = new Map<number, number>();
  responses = 0;
  readonly #gadget: SmooGadget;
  #wake = () => {};

  constructor(gadget: SmooGadget) {
    this.#gadget = gadget;
    this.#run().catch(() => {});
  }

  async probed(): Promise<void> {
    while (!this.statuses.has(PROBE)) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async #run(): Promise<void> {
    const { interruptOut, bulkOut } = this.#gadget.device!.pipes;
    for (;;) {
      const { bytes } = await interruptOut.read(1024);
      if (bytes.length !== 28) this.wrong.push(`message of ${bytes.length}`);
      const view = new DataView(bytes.buffer, bytes.byteOffset, 28);
      const length = view.getUint32(20, true) * 512;
      const status = view.getUint8(1);
      this.responses++;
      if (view.getUint8(0) === READ && status === 0 && length > 0) {
        const offset = Number(view.getBigUint64(12, true)) * 512;
        const { status: ended, bytes: payload } = await bulkOut.read(length);
        if (ended !== "ok" || payload.length !== length) {
          this.wrong.push(`${payload.length} bytes of ${length}`);
        } else if (!isRight(payload, offset)) {
          this.wrong.push(`wrong bytes at ${offset}`);
        }
      }
      this.statuses.set(view.getUint32(4, true), status);
      this.#wake();
    }
  }
}

const opcode = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(0, 0, 0, 1, 2, 3) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }) },
);
const exportId = fc.oneof(
  { weight: 9, arbitrary: fc.constant(7) },
  { weight: 1, arbitrary: fc.constantFrom(0, 8, 0xffffffff) },
);
const lba = fc.oneof(
  fc.bigInt({ min: 0n, max: 2100n }),
  fc.constantFrom(2n ** 53n, 2n ** 63n, 2n ** 64n - 1n),
);
const count = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 1, arbitrary: fc.constantFrom(0x7fffff, 0x800000, 0xffffffff) },
);
const action = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      opcode,
      id: fc.integer({ min: 0, max: 7 }),
      exportId,
      lba,
      count,
      junk: fc.constantFrom(0, 255),
    }),
  },
  { weight: 3, arbitrary: fc.uint8Array({ maxLength: 2000 }) },
  { weight: 2, arbitrary: fc.constant("stall" as const) },
  { weight: 2, arbitrary: fc.constant("wait" as const) },
);

test("a hostile gadget gets right bytes, an errno or the end of the session", async () => {
  let ended = 0;
  let alive = 0;
  let responses = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
      const gadget = new SmooGadget();
      const usb = gadget.plug();
      const transport = await openSmooTransport(usb);
      const reader = patternReader(
        SIZE,
        () => new Promise((resolve) => setTimeout(resolve)),
      );
      let held = 0;
      let mostHeld = 0;
      const read = reader.read.bind(reader);
      reader.read = async (offset, into, options) => {
        held += into.length;
        mostHeld = Math.max(mostHeld, held);
        try {
          return await read(offset, into, options);
        } finally {
          held -= into.length;
        }
      };
      let ready = () => {};
      const started = new Promise<void>((resolve) => ready = resolve);
      const cancel = new AbortController();
      const end = serveExports(
        transport,
        [{ reader, blockSize: 512, exportId: 7 }],
        {
          signal: cancel.signal,
          maxBytes: MAX_BYTES,
          maxRequestBytes: MAX_BYTES,
          onEvent: ({ type }) => type === "started" && ready(),
        },
      );
      end.catch(() => {});
      await started;
      // The made-up gadget listens no more; what follows is no gadget at all.
      usb.endGadget();
      await Promise.resolve();
      const sink = new Sink(gadget);
      for (const one of actions) {
        if (one === "wait") await new Promise((done) => setTimeout(done, 1));
        else if (one === "stall") usb.faults.push(["interruptIn", "stall"]);
        else if (one instanceof Uint8Array) gadget.sendRaw(one);
        else {
          gadget.sendRaw(
            message(
              one.opcode,
              one.id,
              one.exportId,
              one.lba,
              one.count,
              one.junk,
            ),
          );
          const length = 512 * one.count;
          if (one.opcode === WRITE && length > 0 && length < 1 << 20) {
            usb.pipes.bulkIn.write(new Uint8Array(length)).catch(() => {});
          } else if (one.opcode === WRITE && length > 0) break;
        }
      }
      gadget.sendRaw(message(READ, PROBE, 7, 5n, 1));
      const limit = new Promise<"hung">((resolve) => {
        const timer = setTimeout(() => resolve("hung"), 5000);
        end.catch(() => clearTimeout(timer));
      });
      const outcome = await Promise.race([
        sink.probed().then(() => "alive" as const),
        end.then(() => "changed" as const, (error) => ({ error })),
        limit,
      ]);
      if (typeof outcome === "object") {
        assert.ok(isCoded(outcome.error), String(outcome.error));
        ended++;
      } else {
        // A Write whose payload never came may hold up others, but no read.
        assert.equal(outcome, "alive");
        assert.equal(sink.statuses.get(PROBE), 0);
        alive++;
      }
      cancel.abort("over");
      await end.catch(() => {});
      await transport.close();
      gadget.unplug();
      assert.deepEqual(sink.wrong, []);
      assert.ok(mostHeld <= MAX_BYTES, `${mostHeld} bytes`);
      responses += sink.responses;
    }),
    { numRuns: 150 },
  );
  // It did get somewhere.
  assert.ok(alive > 10 && ended > 10, `${alive} went on, ${ended} ended`);
  assert.ok(responses > 200, `${responses} responses`);
});

test("hostile answers to IDENT, STATUS and LOG end with a code, or go on", async () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.constant(undefined),
    fc.uint8Array({ minLength: 12, maxLength: 12 }).map((tail) =>
      Uint8Array.of(0, 0, 1, 0, ...tail)
    ),
    fc.uint8Array({ minLength: 40, maxLength: 80 }).map((all) => {
      all.set([0, 0, 32, 0]);
      return all;
    }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(1, 3, 4),
      fc.array(bytes, { minLength: 1, maxLength: 6 }),
      async (request, list) => {
        const gadget = new SmooGadget();
        const usb = gadget.plug();
        const transport = await openSmooTransport(usb);
        let asked = 0;
        let seen = () => {};
        const all = new Promise<void>((resolve) => seen = resolve);
        gadget.answers.set(request, () => {
          if (++asked >= list.length) seen();
          return Promise.resolve(list[(asked - 1) % list.length]);
        });
        const cancel = new AbortController();
        const end = serveExports(
          transport,
          [{ reader: patternReader(SIZE), blockSize: 512, exportId: 7 }],
          {
            signal: cancel.signal,
            heartbeatMs: 1,
            onEvent: ({ type }) => type === "device-log-unavailable" && seen(),
          },
        );
        const outcome = await Promise.race([
          all.then(() => "asked" as const),
          end.then(() => "changed" as const, (error) => ({ error })),
        ]);
        if (typeof outcome === "object") {
          assert.ok(isCoded(outcome.error), String(outcome.error));
          assert.notEqual(request, 4);
        }
        cancel.abort("over");
        await end.catch(() => {});
        await transport.close();
        gadget.unplug();
      },
    ),
    { numRuns: 150 },
  );
});
