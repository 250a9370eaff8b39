/**
 * bzip2.
 *
 * @module
 */
import { type Bytes, checkSize } from "./call.ts";
import { type DecoderSpec, decoderStream, decodeWhole } from "./decoder.ts";
import { StreamKind } from "./exports.ts";

/** libbz2 states no limit; `bzip2 -9`, the largest there is, takes 3.7 MB. */
function spec(maxSize: number): DecoderSpec {
  return {
    kind: StreamKind.BZIP2,
    format: "bzip2",
    maxSize,
    memoryLimit: 0,
  };
}

/**
 * Decompresses bzip2 data: one or more streams. What follows them and does not begin as another is
 * ignored, as `bzip2` does. Check sums of blocks and streams are verified. Linear memory: 4 MiB, however large the output.
 *
 * @param options.maxSize Bytes of output at which it fails.
 * @throws {FormatError} `bzip2.damaged` (a failed check sum among it), `bzip2.truncated`,
 * `bzip2.output-limit`
 * @see bzip2 1.0.8, manual.html
 */
export async function bzip2Decode(
  data: Uint8Array,
  options: { readonly maxSize: number },
): Promise<Bytes> {
  checkSize("maxSize", options.maxSize);
  return await decodeWhole(data, spec(options.maxSize), data.length * 6);
}

/** Decompresses bzip2 piece by piece, as {@linkcode bzip2Decode} does whole. */
export function bzip2DecodeStream(
  options: { readonly maxSize: number },
): TransformStream<Uint8Array, Bytes> {
  return decoderStream(spec(options.maxSize));
}
