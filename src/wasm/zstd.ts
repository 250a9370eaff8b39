/**
 * Zstandard.
 *
 * @module
 */
import { type Bytes, checkLevel, checkSize, encodeWhole } from "./call.ts";
import { type DecoderSpec, decoderStream, decodeWhole } from "./decoder.ts";
import { StreamKind } from "./exports.ts";

/** Every decoder should take windows up to here (RFC 8878, section 3.1.1.1.2). */
const COMMON_WINDOW = 8 << 20;
/** What `zstd -d` takes unless told otherwise. */
const MAX_WINDOW = 128 << 20;

const MAGIC = 0xfd2fb528;

/** Limits of decoding zstd. */
export interface ZstdDecodeOptions {
  /** Bytes of output at which it fails. */
  readonly maxSize: number;
  /**
   * Bytes of the largest window accepted. By default the larger of 8 MiB and `maxSize`, at most
   * 128 MiB.
   */
  readonly windowLimit?: number;
}

function spec(options: ZstdDecodeOptions): DecoderSpec {
  return {
    kind: StreamKind.ZSTD,
    format: "zstd",
    maxSize: options.maxSize,
    memoryLimit: options.windowLimit ??
      Math.min(MAX_WINDOW, Math.max(COMMON_WINDOW, options.maxSize)),
  };
}

/**
 * Compresses into one zstd frame with content size and check sum. Linear memory: twice the data plus
 * at most 4 MiB.
 *
 * @param options.level 1 (default, fastest) to 3. Only zstd's fast strategy is built in.
 * @throws {CoreError} `wasm.no-memory` for data of about 500 MiB and more.
 * @see RFC 8878
 */
export async function zstdEncode(
  data: Uint8Array,
  options: { readonly level?: number } = {},
): Promise<Bytes> {
  const level = options.level ?? 1;
  checkLevel(level, 1, 3);
  return await encodeWhole(data, {
    format: "zstd",
    bound: ({ exports }, size) => exports.fb_zstd_bound(size),
    run: ({ exports }, ...buffers) => exports.fb_zstd_encode(level, ...buffers),
  });
}

/**
 * Decompresses zstd data: one or more frames, skippable frames among them.
 *
 * Check sums are verified where there are any. Linear memory: the window plus 1 MiB, however large the
 * output.
 *
 * @throws {FormatError} `zstd.damaged`, `zstd.truncated`, `zstd.checksum-mismatch`,
 * `zstd.unsupported` (a dictionary is needed), `zstd.output-limit`, `zstd.memory-limit`
 * @see RFC 8878
 */
export async function zstdDecode(
  data: Uint8Array,
  options: ZstdDecodeOptions,
): Promise<Bytes> {
  checkSize("maxSize", options.maxSize);
  return await decodeWhole(data, spec(options), claimedSize(data));
}

/** Decompresses zstd data piece by piece, as {@linkcode zstdDecode} does whole. */
export function zstdDecodeStream(
  options: ZstdDecodeOptions,
): TransformStream<Uint8Array, Bytes> {
  return decoderStream(spec(options));
}

/** Content size that the first frame's header claims, else 0. RFC 8878, section 3.1.1.1. */
function claimedSize(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (data.length < 18 || view.getUint32(0, true) !== MAGIC) return 0;
  const descriptor = view.getUint8(4);
  const single = (descriptor & 0x20) !== 0;
  const at = 5 + (single ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  switch (descriptor >> 6) {
    case 0:
      return single ? view.getUint8(at) : 0;
    case 1:
      return view.getUint16(at, true) + 256;
    case 2:
      return view.getUint32(at, true);
    default:
      return Number(view.getBigUint64(at, true));
  }
}
