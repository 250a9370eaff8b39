import assert from "node:assert/strict";
import test from "node:test";
import {
  fixture,
  rejectsWith,
  SEQ,
} from "../../tests/fixtures/codecs/fixtures.ts";
import { codecCore } from "./call.ts";
import {
  gunzip,
  gunzipStream,
  lz4FrameDecodeStream,
  xzDecodeStream,
  zstdDecodeStream,
} from "./codecs.ts";
import { instantiateCore } from "./instance.ts";

const STREAMS = [
  ["seq.gz", () => gunzipStream({ maxSize: SEQ.length })],
  ["seq.zst", () => zstdDecodeStream({ maxSize: SEQ.length })],
  ["seq.lz4", () => lz4FrameDecodeStream({ maxSize: SEQ.length })],
  ["crc64.xz", () => xzDecodeStream({ maxSize: SEQ.length })],
] as const;

async function memorySize(): Promise<number> {
  return (await codecCore()).memory.buffer.byteLength;
}

for (const [file, make] of STREAMS) {
  test(`1000 streams over ${file} left by their readers do not leak`, async () => {
    const data = fixture(file).slice(0, 800);
    const leave = async (open: number) => {
      const streams = Array.from({ length: open }, make);
      await Promise.all(streams.map(async (stream, at) => {
        const writer = stream.writable.getWriter();
        const written = writer.write(data).catch(() => {});
        await Promise.race([written, new Promise((go) => setTimeout(go, 1))]);
        if (at % 2 === 0) await stream.readable.cancel("enough");
        else await writer.abort("enough").catch(() => {});
        writer.closed.catch(() => {});
      }));
    };
    await leave(4);
    const before = await memorySize();
    for (let round = 0; round < 250; round++) await leave(4);
    assert.equal(await memorySize(), before);
  });
}

test("many streams open at the same time each give their own content", async () => {
  const streams = Array.from(
    { length: 40 },
    (_, at) => STREAMS[at % STREAMS.length]!,
  );
  const outputs = await Promise.all(streams.map(async ([file, make]) => {
    const { readable, writable } = make();
    const writer = writable.getWriter();
    const sent = (async () => {
      const data = fixture(file);
      for (let at = 0; at < data.length; at += 333) {
        await writer.write(data.subarray(at, at + 333));
      }
      await writer.close();
    })();
    const [out] = await Promise.all([
      new Response(readable as ReadableStream<Uint8Array<ArrayBuffer>>)
        .arrayBuffer(),
      sent,
    ]);
    return new Uint8Array(out);
  }));
  for (const output of outputs) assert.deepEqual(output, SEQ);
});

test("a stream makes no output before it is read", async () => {
  const stream = gunzipStream({ maxSize: 1 << 30 });
  const writer = stream.writable.getWriter();
  const zeros = new Uint8Array(64 << 20);
  const { gzip } = await import("./codecs.ts");
  writer.write(await gzip(zeros)).catch(() => {});
  await new Promise((go) => setTimeout(go, 50));
  const reader = stream.readable.getReader();
  const { value } = await reader.read();
  assert.ok(value!.length <= 256 << 10);
  await reader.cancel();
});

test("a damaged stream fails both its ends with the same error", async () => {
  const stream = gunzipStream({ maxSize: 100 });
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  const reading = reader.read();
  writer.closed.catch(() => {});
  await rejectsWith(writer.write(new Uint8Array(10).fill(7)), "gzip.damaged");
  await rejectsWith(reading, "gzip.damaged");
});

test("a call that needs much memory leaves none of it to the next", async () => {
  const { gzip } = await import("./codecs.ts");
  const before = await memorySize();
  const zeros = new Uint8Array(40 << 20);
  const packed = await gzip(zeros, { level: 1 });
  assert.equal(
    (await gunzip(packed, { maxSize: zeros.length })).length,
    zeros.length,
  );
  assert.ok(await memorySize() <= Math.max(before, 65 << 20));
});

test("the allocator keeps what it gave apart and merges what comes back", async () => {
  const core = await instantiateCore();
  const live: { pointer: number; size: number; mark: number }[] = [];
  let seed = 1;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor(seed / 2 ** 32 * below);
  };
  const release = (at: number) => {
    const { pointer, size, mark } = live.splice(at, 1)[0]!;
    const bytes = core.view(pointer, size);
    assert.equal(bytes[0], mark);
    assert.equal(bytes[size - 1], mark);
    core.free(pointer);
  };
  for (let step = 0; step < 30_000; step++) {
    if (live.length > 300 || (live.length > 0 && random(2) === 0)) {
      release(random(live.length));
    } else {
      const size = 1 + random(random(10) === 0 ? 200_000 : 2_000);
      const pointer = core.alloc(size), mark = step & 255;
      assert.equal(pointer % 16, 0);
      core.view(pointer, size).fill(mark);
      live.push({ pointer, size, mark });
    }
  }
  while (live.length > 0) release(live.length - 1);
  const size = core.memory.buffer.byteLength;
  core.free(core.alloc(size - (1 << 20)));
  assert.equal(core.memory.buffer.byteLength, size);
});

test("memory beyond the limit is refused with a code", async () => {
  const core = await instantiateCore();
  for (const size of [2 ** 30, 2 ** 31, 2 ** 32 + 5]) {
    assert.throws(() => core.alloc(size), { code: "wasm.no-memory" });
  }
  assert.ok(core.memory.buffer.byteLength < 4 << 20);
});

test("a crash ends the instance with a code", async () => {
  const core = await instantiateCore();
  const pointer = core.alloc(100);
  core.free(pointer);
  assert.throws(() => core.free(pointer), { code: "wasm.crashed" });
  assert.ok(core.crashed);
  assert.throws(() => core.alloc(1), { code: "wasm.crashed" });
  core.free(pointer);
});
