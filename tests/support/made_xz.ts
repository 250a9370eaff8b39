/**
 * xz files without a compressor: LZMA2 chunks that are stored as they are. For tests in every runtime.
 *
 * @module
 */

import { crc32 } from "../../src/wasm/codecs.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const CHUNK_SIZE = 1 << 16;
/** `lzma_check` of CRC32, the only one made here. */
const CHECK_CRC32 = 1;

/** Packs one stream with blocks of `blockSize` bytes; none for no content. */
export async function madeXz(
  content: Uint8Array,
  blockSize: number,
): Promise<Bytes> {
  const blocks: { bytes: Bytes; unpadded: number; size: number }[] = [];
  for (let at = 0; at < content.length; at += blockSize) {
    const part = content.subarray(at, at + blockSize);
    const header = await sealed([0x02, 0x00, 0x21, 0x01, 0x10, 0, 0, 0]);
    const data = lzma2(part);
    const bytes = join(header, pad(data), word(await crc32(part)));
    const unpadded = header.length + data.length + 4;
    blocks.push({ bytes, unpadded, size: part.length });
  }
  const records = blocks.flatMap(({ unpadded, size }) => [
    ...vli(unpadded),
    ...vli(size),
  ]);
  const index = await sealed(
    [...pad(Uint8Array.of(0, ...vli(blocks.length), ...records))],
  );
  const flags = [0, CHECK_CRC32];
  const backward = word(index.length / 4 - 1);
  return join(
    Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, ...flags),
    word(await crc32(Uint8Array.from(flags))),
    ...blocks.map(({ bytes }) => bytes),
    index,
    word(await crc32(Uint8Array.of(...backward, ...flags))),
    backward,
    Uint8Array.of(...flags, 0x59, 0x5a),
  );
}

function lzma2(content: Uint8Array): Bytes {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += CHUNK_SIZE) {
    const part = content.subarray(at, at + CHUNK_SIZE);
    const size = part.length - 1;
    // 1 forgets the dictionary, 2 goes on with it
    parts.push(Uint8Array.of(at === 0 ? 1 : 2, size >> 8, size & 0xff), part);
  }
  return join(...parts, Uint8Array.of(0));
}

/** With its CRC32 behind it. */
async function sealed(bytes: readonly number[]): Promise<Bytes> {
  const body = Uint8Array.from(bytes);
  return join(body, word(await crc32(body)));
}

function vli(value: number): number[] {
  const bytes = [];
  for (; value >= 0x80; value = Math.floor(value / 128)) {
    bytes.push(value % 128 | 0x80);
  }
  return [...bytes, value];
}

function word(value: number): Bytes {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function pad(bytes: Uint8Array): Bytes {
  return join(bytes, new Uint8Array(-bytes.length & 3));
}

/** One behind the other. */
export function join(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(
    parts.reduce((size, part) => size + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
