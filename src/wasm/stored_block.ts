/**
 * Blocks of file systems that say how large a block may be, not how large it is.
 *
 * @module
 */
import { BlockAlgorithm, PROGRESS_SIZE, Status, Wrapper } from "./exports.ts";
import { type Core, loadCore } from "./instance.ts";

/** What {@linkcode StoredBlockDecoder} decodes. */
export type StoredBlockFormat = "zlib" | "lz4" | "zstd";

const ZSTD_MAGIC = 0xfd2fb528;

/**
 * Decodes small blocks on one instance of the core, synchronously and without taking memory for each
 * of them. Linear memory: the largest block seen, as stored and as decoded.
 */
export class StoredBlockDecoder {
  readonly core: Core;
  readonly #progress: number;
  #memory = 0;
  #size = 0;

  constructor(core: Core) {
    this.core = core;
    this.#progress = core.alloc(PROGRESS_SIZE);
  }

  /**
   * Decodes one whole block.
   *
   * @param maxSize Most bytes that it may hold.
   * @returns A view of the core's memory that is valid until the next call of the core: copy it.
   * `undefined` when the block is damaged, holds more than `maxSize` bytes, or is a zstd frame that
   * does not state its size: `zstdDecode()` tells which.
   */
  decode(
    format: StoredBlockFormat,
    stored: Uint8Array,
    maxSize: number,
  ): Uint8Array | undefined {
    const { exports } = this.core;
    const input = this.#take(stored.length + maxSize);
    const output = input + stored.length;
    this.core.view(input, stored.length).set(stored);
    let size: number;
    if (format === "lz4") {
      size = exports.fb_lz4_decode(input, stored.length, output, maxSize, 0);
    } else if (format === "zstd") {
      const stated = zstdContentSize(stored);
      if (stated === undefined || stated > maxSize) return undefined;
      const { ZSTD } = BlockAlgorithm;
      size = exports.fb_block_decode(
        ZSTD,
        input,
        stored.length,
        output,
        stated,
        1,
      );
    } else {
      const status = exports.fb_inflate_whole(
        Wrapper.ZLIB,
        input,
        stored.length,
        output,
        maxSize,
        this.#progress,
      );
      size = status === Status.OK
        ? new Uint32Array(this.core.memory.buffer, this.#progress, 2)[1]!
        : status;
    }
    return size < 0 ? undefined : this.core.view(output, size);
  }

  #take(size: number): number {
    if (size > this.#size) {
      if (this.#memory !== 0) this.core.free(this.#memory);
      this.#memory = this.#size = 0;
      this.#memory = this.core.alloc(size);
      this.#size = size;
    }
    return this.#memory;
  }
}

let shared: StoredBlockDecoder | undefined;

/** The decoder on the shared core; a new one when that core has crashed. */
export async function loadStoredBlockDecoder(): Promise<StoredBlockDecoder> {
  const core = await loadCore();
  if (shared?.core !== core) shared = new StoredBlockDecoder(core);
  return shared;
}

/**
 * Content size that the header of a frame states; `undefined` where it states none.
 *
 * @see RFC 8878, section 3.1.1.1
 */
function zstdContentSize(frame: Uint8Array): number | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (frame.length < 6 || view.getUint32(0, true) !== ZSTD_MAGIC) {
    return undefined;
  }
  const descriptor = view.getUint8(4);
  const single = (descriptor & 0x20) !== 0;
  const at = 5 + (single ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  const size = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  if (size === 0 || at + size > frame.length) return undefined;
  switch (size) {
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true) + 256;
    case 4:
      return view.getUint32(at, true);
    default:
      return Number(view.getBigUint64(at, true));
  }
}
