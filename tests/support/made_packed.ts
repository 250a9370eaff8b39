/**
 * Compressed files that no encoder of ours makes: BGZF, the seekable zstd format, LZ4 frames of many
 * blocks. For tests in every runtime.
 *
 * @module
 */

import { crc32, deflateRaw, zstdEncode } from "../../src/wasm/codecs.ts";
import { join } from "./made_xz.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** `bgzip`: members that say their size, and an empty one at the end. */
export async function madeBgzf(
  content: Uint8Array,
  blockSize: number,
): Promise<Bytes> {
  const blocks: Bytes[] = [];
  for (let at = 0; at < content.length; at += blockSize) {
    blocks.push(await bgzfBlock(content.subarray(at, at + blockSize)));
  }
  return join(...blocks, await bgzfBlock(new Uint8Array(0)));
}

async function bgzfBlock(content: Uint8Array): Promise<Bytes> {
  const data = await deflateRaw(content);
  const header = Uint8Array.of(
    ...[0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff],
    ...[6, 0, 0x42, 0x43, 2, 0, 0, 0],
  );
  const size = header.length + data.length + 8;
  new DataView(header.buffer).setUint16(16, size - 1, true);
  return join(header, data, words(await crc32(content), content.length));
}

/** The index that `bgzip -i` would make of {@linkcode madeBgzf}. */
export function madeGzi(packed: Uint8Array): Bytes {
  const view = new DataView(packed.buffer);
  const pairs: bigint[] = [];
  let content = 0;
  for (let at = 0; at < packed.length;) {
    const size = view.getUint16(at + 16, true) + 1;
    if (at > 0) pairs.push(BigInt(at), BigInt(content));
    content += view.getUint32(at + size - 4, true);
    at += size;
  }
  const numbers = BigUint64Array.of(BigInt(pairs.length / 2), ...pairs);
  return new Uint8Array(numbers.buffer);
}

/** Frames of their own with the seek table behind them. */
export async function madeSeekable(
  content: Uint8Array,
  frameSize: number,
): Promise<Bytes> {
  const frames: Bytes[] = [];
  const entries: number[] = [];
  for (let at = 0; at < content.length; at += frameSize) {
    const part = content.subarray(at, at + frameSize);
    const frame = await zstdEncode(part);
    frames.push(frame);
    entries.push(frame.length, part.length);
  }
  return join(
    ...frames,
    words(0x184d2a5e, entries.length * 4 + 9, ...entries),
    words(frames.length),
    Uint8Array.of(0),
    words(0x8f92eab1),
  );
}

/** A frame with its size, of blocks of 64 KiB that are stored as they are. */
export function madeLz4(
  content: Uint8Array,
  { independent = true, sized = true } = {},
): Bytes {
  const blocks: Bytes[] = [];
  for (let at = 0; at < content.length; at += 65_536) {
    const part = content.subarray(at, at + 65_536);
    blocks.push(words((part.length | 0x80000000) >>> 0), part as Bytes);
  }
  const flags = 0x40 | (independent ? 0x20 : 0) | (sized ? 8 : 0);
  const size = sized ? words(content.length, 0) : new Uint8Array(0);
  const descriptor = join(Uint8Array.of(flags, 0x40), size);
  return join(
    words(0x184d2204),
    descriptor,
    Uint8Array.of(xxh32(descriptor) >>> 8 & 0xff),
    ...blocks,
    words(0),
  );
}

/** XXH32 with seed 0 of less than 16 bytes. xxhash_spec.md */
export function xxh32(bytes: Uint8Array): number {
  const turn = (value: number, by: number) => value << by | value >>> (32 - by);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let sum = 0x165667b1 + bytes.length | 0, at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    sum = sum + Math.imul(view.getUint32(at, true), 0xc2b2ae3d) | 0;
    sum = Math.imul(turn(sum, 17), 0x27d4eb2f);
  }
  for (; at < bytes.length; at++) {
    sum = sum + Math.imul(view.getUint8(at), 0x165667b1) | 0;
    sum = Math.imul(turn(sum, 11), 0x9e3779b1);
  }
  sum = Math.imul(sum ^ sum >>> 15, 0x85ebca77);
  sum = Math.imul(sum ^ sum >>> 13, 0xc2b2ae3d);
  return (sum ^ sum >>> 16) >>> 0;
}

/** Numbers of 32 bits, little-endian. */
function words(...values: readonly number[]): Bytes {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of values.entries()) {
    view.setUint32(at * 4, value, true);
  }
  return bytes;
}
