/**
 * LZ4: blocks, frames, and the legacy frames of Linux kernels.
 *
 * @module
 */
import { concat } from "../bytes/concat.ts";
import {
  type Bytes,
  checkLevel,
  checkSize,
  codecCore,
  encodeWhole,
  failure,
  withMemory,
} from "./call.ts";
import { decoderStream, decodeWhole, Sink } from "./decoder.ts";
import { Status, StreamKind } from "./exports.ts";

const LEGACY_MAGIC = 0x184c2102;
const LEGACY_BLOCK = 8 << 20;
const FRAME_MAGIC = 0x184d2204;

/**
 * Decompresses one LZ4 block. Linear memory: the data plus the smaller of `maxSize` and 255 times
 * the data.
 *
 * @param options.maxSize Bytes of output at which it fails, or with `partial` stops.
 * @param options.partial Stop after `maxSize` bytes; what follows in the block is not looked at.
 * @throws {FormatError} `lz4.damaged`, also when the output would be larger than `maxSize`: a block
 * does not say how large it is.
 * @see lz4_Block_format.md
 */
export async function lz4DecodeBlock(
  data: Uint8Array,
  options: { readonly maxSize: number; readonly partial?: boolean },
): Promise<Bytes> {
  checkSize("maxSize", options.maxSize);
  const space = Math.min(options.maxSize, data.length * 255 + 16);
  const core = await codecCore(data.length + space);
  return withMemory(core, (memory) => {
    const input = memory.put(data);
    const output = memory.take(space);
    const size = core.exports.fb_lz4_decode(
      input,
      data.length,
      output,
      space,
      options.partial ? 1 : 0,
    );
    if (size < 0) throw failure({ format: "lz4", status: size });
    return core.view(output, size).slice();
  });
}

/**
 * Compresses into one LZ4 frame of independent 4 MiB blocks with content size and check sum. Linear
 * memory: twice the data plus at most 8 MiB.
 *
 * @param options.level 1 (default, fast), or 3 to 12 (high compression, slower and smaller).
 * @see lz4_Frame_format.md
 */
export async function lz4FrameEncode(
  data: Uint8Array,
  options: { readonly level?: number } = {},
): Promise<Bytes> {
  const level = options.level ?? 1;
  checkLevel(level, 1, 12);
  return await encodeWhole(data, {
    format: "lz4",
    extra: LEGACY_BLOCK,
    bound: ({ exports }, size) => exports.fb_lz4_frame_bound(size),
    run: ({ exports }, ...buffers) =>
      exports.fb_lz4_frame_encode(level, ...buffers),
  });
}

function frameSpec(maxSize: number) {
  return {
    kind: StreamKind.LZ4,
    format: "lz4",
    maxSize,
    memoryLimit: 0,
  } as const;
}

/**
 * Decompresses LZ4 frames, one or more, skippable frames among them. Check sums are verified where
 * there are any. Linear memory: at most 17 MiB, half of it kept for the next call.
 *
 * @param options.maxSize Bytes of output at which it fails.
 * @throws {FormatError} `lz4.damaged`, `lz4.truncated`, `lz4.checksum-mismatch`, `lz4.unsupported`,
 * `lz4.output-limit`
 * @see lz4_Frame_format.md
 */
export async function lz4FrameDecode(
  data: Uint8Array,
  options: { readonly maxSize: number },
): Promise<Bytes> {
  checkSize("maxSize", options.maxSize);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const claims = data.length >= 14 &&
    view.getUint32(0, true) === FRAME_MAGIC && (view.getUint8(4) & 8) !== 0;
  return await decodeWhole(
    data,
    { ...frameSpec(options.maxSize), large: data.length > 64 << 10 },
    claims ? Number(view.getBigUint64(6, true)) : data.length * 2,
  );
}

/** Decompresses LZ4 frames piece by piece, as {@linkcode lz4FrameDecode} does whole. */
export function lz4FrameDecodeStream(
  options: { readonly maxSize: number },
): TransformStream<Uint8Array, Bytes> {
  return decoderStream(frameSpec(options.maxSize));
}

/**
 * Compresses into a legacy frame, the one form of LZ4 that Linux takes for kernels and initramfs.
 * Linear memory: 17 MiB.
 *
 * @param options.level 1 (fast), or 3 to 12; the default 9 is what Linux builds its images with.
 * @see lz4_Frame_format.md, section "Legacy frame"
 */
export async function lz4LegacyEncode(
  data: Uint8Array,
  options: { readonly level?: number } = {},
): Promise<Bytes> {
  const level = options.level ?? 9;
  checkLevel(level, 1, 12);
  const core = await codecCore();
  return withMemory(core, (memory) => {
    const room = Math.min(data.length, LEGACY_BLOCK);
    const bound = core.exports.fb_lz4_bound(room);
    const input = memory.take(room), output = memory.take(bound);
    const parts: Bytes[] = [word(LEGACY_MAGIC)];
    for (let at = 0; at < data.length; at += LEGACY_BLOCK) {
      const block = data.subarray(at, at + LEGACY_BLOCK);
      core.view(input, block.length).set(block);
      const size = core.exports.fb_lz4_encode(
        level,
        input,
        block.length,
        output,
        bound,
      );
      if (size < 0) throw failure({ format: "lz4", status: size });
      parts.push(word(size), core.view(output, size).slice());
    }
    return concat(parts);
  });
}

/**
 * Decompresses legacy frames, as Linux unpacks its kernels: what follows the last block and cannot be
 * one is left alone, such as the word with the unpacked size that Linux builds append, or zeros.
 * Linear memory: 17 MiB.
 *
 * @param options.maxSize Bytes of output at which it fails.
 * @throws {FormatError} `lz4.damaged`, `lz4.truncated`, `lz4.output-limit`
 * @see Linux, lib/decompress_unlz4.c
 */
export async function lz4LegacyDecode(
  data: Uint8Array,
  options: { readonly maxSize: number },
): Promise<Bytes> {
  const { maxSize } = options;
  checkSize("maxSize", maxSize);
  const fault = (status: number, offset: number) =>
    failure({ format: "lz4", status, offset, maxSize });
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (data.length < 4) throw fault(Status.TRUNCATED, data.length);
  if (view.getUint32(0, true) !== LEGACY_MAGIC) throw fault(Status.DAMAGED, 4);

  const core = await codecCore();
  return withMemory(core, (memory) => {
    const largest = core.exports.fb_lz4_bound(LEGACY_BLOCK);
    const input = memory.take(Math.min(data.length, largest));
    const output = memory.take(LEGACY_BLOCK);
    const sink = new Sink(
      Math.min(maxSize, data.length * 4, legacyBlocks(view) * LEGACY_BLOCK),
      maxSize,
    );
    let at = 4, total = 0;
    while (data.length - at >= 4) {
      const size = view.getUint32(at, true);
      const left = data.length - at - 4;
      if (size === LEGACY_MAGIC) {
        at += 4;
        continue;
      }
      if (size === 0 || size > largest) break;
      if (size > left) {
        if (left === 0 && size === total) break; // the word with the unpacked size
        throw fault(Status.TRUNCATED, data.length);
      }
      core.view(input, size).set(data.subarray(at + 4, at + 4 + size));
      const got = core.exports.fb_lz4_decode(
        input,
        size,
        output,
        LEGACY_BLOCK,
        0,
      );
      at += 4 + size;
      if (got < 0) throw fault(got, at);
      total += got;
      if (total > maxSize) throw fault(Status.OUTPUT_LIMIT, at);
      sink.add(core.view(output, got));
    }
    const trailing = data.length - at;
    if (trailing > 0 && trailing < 4) {
      // Not even a size: padding when it is zeros, else a size cut short.
      if (data.subarray(at).some((byte) => byte !== 0)) {
        throw fault(Status.TRUNCATED, data.length);
      }
    }
    return sink.bytes();
  });
}

/** How many blocks there seem to be: all but the last hold 8 MiB. */
function legacyBlocks(view: DataView): number {
  let count = 0;
  for (let at = 4; at + 4 <= view.byteLength; count++) {
    at += 4 + view.getUint32(at, true);
  }
  return count;
}

function word(value: number): Bytes {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}
