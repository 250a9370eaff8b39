/**
 * xz, whole or block by block, lzma, and MicroLZMA.
 *
 * @module
 */
import {
  type Bytes,
  checkSize,
  codecCore,
  failure,
  withMemory,
} from "./call.ts";
import { type DecoderSpec, decoderStream, decodeWhole } from "./decoder.ts";
import { BlockAlgorithm, Status, StreamKind } from "./exports.ts";
import { CHECK_IDS, damaged, type XzCheck } from "./xz_index.ts";

/** What `xz -9` makes takes 65 MiB. */
const DEFAULT_MEMORY_LIMIT = 128 << 20;

/** Limits and facts for decoding one block. */
export interface XzBlockOptions {
  /** From the stream's header. */
  readonly check: XzCheck;
  /** Bytes of output at which it fails. */
  readonly maxSize: number;
  /** Bytes for the decoder, mostly its dictionary; default 128 MiB. */
  readonly memoryLimit?: number;
}

function blockSpec(options: XzBlockOptions): DecoderSpec {
  return {
    kind: StreamKind.XZ_BLOCK,
    format: "xz",
    option: CHECK_IDS[options.check],
    maxSize: options.maxSize,
    memoryLimit: options.memoryLimit ?? DEFAULT_MEMORY_LIMIT,
  };
}

/**
 * Decodes one block and verifies its check.
 *
 * Linear memory: the dictionary plus 1 MiB, at most `memoryLimit` plus 1 MiB, however large the output.
 *
 * @param data The block as stored, from its header to its check.
 * @param options.contentSize Size the index gives; another size fails.
 * @throws {FormatError} `xz.damaged` (a failed check among it), `xz.truncated`,
 * `xz.unsupported-filter`, `xz.output-limit`, `xz.memory-limit`
 * @see xz-file-format.txt, section 3
 */
export async function decodeXzBlock(
  data: Uint8Array,
  options: XzBlockOptions & { readonly contentSize?: number },
): Promise<Bytes> {
  checkSize("maxSize", options.maxSize);
  const { contentSize } = options;
  const content = await decodeWhole(data, blockSpec(options), contentSize ?? 0);
  if (contentSize !== undefined && content.length !== contentSize) {
    throw damaged(
      "block",
      `${content.length} bytes of content`,
      `${contentSize} as in the index`,
    );
  }
  return content;
}

/** Decodes one block piece by piece, as {@linkcode decodeXzBlock} does whole. */
export function xzBlockStream(
  options: XzBlockOptions,
): TransformStream<Uint8Array, Bytes> {
  return decoderStream(blockSpec(options));
}

/** Limits of decoding whole xz files. */
export interface XzDecodeOptions {
  /** Bytes of output at which it fails. */
  readonly maxSize: number;
  /** Bytes for the decoder, mostly its dictionary; default 128 MiB. */
  readonly memoryLimit?: number;
}

function spec(options: XzDecodeOptions): DecoderSpec {
  return {
    kind: StreamKind.XZ,
    format: "xz",
    maxSize: options.maxSize,
    memoryLimit: options.memoryLimit ?? DEFAULT_MEMORY_LIMIT,
  };
}

/**
 * Decodes an xz file: one or more streams with padding between them, all checks verified.
 *
 * Linear memory: the dictionary plus 1 MiB, at most `memoryLimit` plus 1 MiB, however large the output.
 *
 * @throws {FormatError} `xz.damaged` (a failed check among it), `xz.truncated`,
 * `xz.unsupported-filter`, `xz.output-limit`, `xz.memory-limit`
 * @see xz-file-format.txt
 */
export async function xzDecode(
  data: Uint8Array,
  options: XzDecodeOptions,
): Promise<Bytes> {
  checkSize("maxSize", options.maxSize);
  return await decodeWhole(data, spec(options), data.length * 5);
}

/** Decodes xz piece by piece, as {@linkcode xzDecode} does whole. */
export function xzDecodeStream(
  options: XzDecodeOptions,
): TransformStream<Uint8Array, Bytes> {
  return decoderStream(spec(options));
}

/**
 * Decodes a `.lzma` file. What follows the end of the stream is left alone, such as the word with the
 * unpacked size that Linux appends.
 *
 * Linear memory: the dictionary plus 1 MiB, at most `memoryLimit` plus 1 MiB.
 *
 * @throws {FormatError} `lzma.damaged`, `lzma.truncated`, `lzma.output-limit`, `lzma.memory-limit`
 * @see lzma-file-format.txt
 */
export async function lzmaDecode(
  data: Uint8Array,
  options: XzDecodeOptions,
): Promise<Bytes> {
  checkSize("maxSize", options.maxSize);
  const lzma = {
    kind: StreamKind.LZMA,
    format: "lzma",
    trailing: true,
  } as const;
  return await decodeWhole(
    data,
    { ...spec(options), ...lzma },
    data.length * 5,
  );
}

/**
 * Decodes one MicroLZMA block, as erofs stores them. Linear memory: the data, `size`, and a
 * dictionary of `size` rounded up to a power of two, at most 8 MiB.
 *
 * @param options.size Bytes of output.
 * @param options.exact The block must hold `size` bytes (default); else it may hold more, and what
 * comes after is not looked at.
 * @throws {FormatError} `microlzma.damaged`
 * @see liblzma, lzma/container.h
 */
export async function decodeMicroLzma(
  data: Uint8Array,
  options: { readonly size: number; readonly exact?: boolean },
): Promise<Bytes> {
  const { size, exact = true } = options;
  checkSize("size", size);
  const core = await codecCore(data.length + size * 2);
  return withMemory(core, (memory) => {
    const input = memory.put(data);
    const output = memory.take(size);
    const status = core.exports.fb_block_decode(
      BlockAlgorithm.LZMA,
      input,
      data.length,
      output,
      size,
      exact ? 1 : 0,
    );
    if (status < Status.OK) throw failure({ format: "microlzma", status });
    return core.view(output, size).slice();
  });
}
