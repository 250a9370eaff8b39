import type { ReadOptions } from "../../block/reader.ts";
import { isCoded } from "../../errors.ts";
import { xzDecode, zstdDecode } from "../../wasm/codecs.ts";
import type { CodecPool } from "../../wasm/pool.ts";
import {
  loadStoredBlockDecoder,
  type StoredBlockDecoder,
} from "../../wasm/stored_block.ts";
import { decodeLzo1x } from "./lzo.ts";
import type { Compression } from "./superblock.ts";

/** Blocks have at most 1 MiB, and no use for a larger dictionary. */
const DICTIONARY_LIMIT = 16 << 20;

/** Why a block could not be decoded. */
export class BlockFault extends Error {
  override readonly name = "BlockFault";
  /** It uses a filter or feature that is not built in, rather than being damaged. */
  readonly unsupported: boolean;

  constructor(cause: unknown) {
    super("block refused", { cause });
    this.unsupported = isCoded(
      cause,
      "xz.unsupported-filter",
      "zstd.unsupported",
      "zlib.unsupported",
    );
  }
}

/** Decodes blocks of one image. */
export class BlockCodec {
  readonly compression: Compression;
  readonly #pool: CodecPool | undefined;

  /** @param pool Where blocks are decoded that take long; on the caller's thread when absent. */
  constructor(compression: Compression, pool: CodecPool | undefined) {
    this.compression = compression;
    this.#pool = pool;
  }

  /** Blocks decode at the same time when they are asked for at the same time. */
  get parallel(): boolean {
    return this.#pool !== undefined && POOLED[this.compression] !== undefined;
  }

  /** What {@linkcode BlockCodec.decodeNow} wants; must be got for each run of blocks anew. */
  load(): Promise<StoredBlockDecoder> {
    return loadStoredBlockDecoder();
  }

  /**
   * Decodes a block on this thread at once.
   *
   * @returns A view that is valid until the next call, of at most `maxSize` bytes; `undefined` when
   * only {@linkcode BlockCodec.decode} can do it, or can tell what is wrong.
   */
  decodeNow(
    decoder: StoredBlockDecoder,
    stored: Uint8Array,
    maxSize: number,
  ): Uint8Array | undefined {
    switch (this.compression) {
      case "gzip":
        return decoder.decode("zlib", stored, maxSize);
      case "lz4":
      case "zstd":
        return decoder.decode(this.compression, stored, maxSize);
      case "lzo":
        return decodeLzo1x(stored, maxSize);
      case "xz":
        return undefined;
    }
  }

  /**
   * Decodes a block, in a worker where there is one for it.
   *
   * @returns Memory of its own, at most `maxSize` bytes.
   * @throws {BlockFault} when it is damaged or holds more.
   */
  async decode(
    stored: Uint8Array,
    maxSize: number,
    options?: ReadOptions,
  ): Promise<Uint8Array> {
    try {
      if (this.parallel) {
        const job = POOLED[this.compression]!;
        const bounds = limits(maxSize);
        const { signal } = options ?? {};
        try {
          return await this.#pool!.run(job, stored, bounds, { signal });
        } catch (error) {
          if (!isCoded(error, "wasm.pool-full")) throw error;
        }
      }
      const now = this.decodeNow(await this.load(), stored, maxSize);
      if (now !== undefined) return now.slice();
      if (this.compression === "xz") {
        return await xzDecode(stored, limits(maxSize));
      }
      if (this.compression === "zstd") {
        return await zstdDecode(stored, { maxSize });
      }
    } catch (error) {
      // What the core could not do says nothing about the block.
      if (!isCoded(error) || error.code.startsWith("wasm.")) throw error;
      throw new BlockFault(error);
    }
    throw new BlockFault(undefined);
  }
}

/** Jobs of the pool for what takes much longer than to hand it over. */
const POOLED: Readonly<
  Partial<Record<Compression, "xzDecode" | "inflateZlib">>
> = { xz: "xzDecode", gzip: "inflateZlib" };

function limits(maxSize: number) {
  return { maxSize, memoryLimit: DICTIONARY_LIMIT };
}
