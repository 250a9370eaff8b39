/**
 * DEFLATE alone, in zlib and in gzip wrapping.
 *
 * @module
 */
import { concat } from "../bytes/concat.ts";
import {
  type Bytes,
  type CallMemory,
  checkLevel,
  checkSize,
  codecCore,
  encodeWhole,
  withMemory,
} from "./call.ts";
import { decoderStream, decodeWhole } from "./decoder.ts";
import { PROGRESS_SIZE, Status, StreamKind, Wrapper } from "./exports.ts";
import type { Core } from "./instance.ts";

/**
 * Level for kernels: the one that takes least time to compress and send over USB 2 (35 MB/s) among
 * those whose result is no larger than that of `gzip -6`, for bootloaders bound what can be downloaded.
 *
 * Debian's arm64 kernel image of 37.7 MB, seconds of one core:
 *
 * | Level | Compress | Bytes | Compress and send |
 * | --- | --- | --- | --- |
 * | 1 | 0.47 | 14,792,312 | 0.89 |
 * | 3 | 0.72 | 13,890,232 | 1.12 |
 * | 4 | 0.75 | 13,821,775 | 1.15 |
 * | 5 | 0.91 | 13,601,206 | 1.30 |
 * | 6 | 0.98 | 13,546,471 | 1.37 |
 * | `gzip -6` | 2.2 | 13,684,529 | 2.6 |
 */
export const KERNEL_GZIP_LEVEL = 5;

/** One DEFLATE stream cannot make more of a byte: 258 bytes from two codes of a bit each. */
const MAX_RATIO = 1032;
const FIRST_OUTPUT = 64 << 10;
/** RFC 1952: ID1, ID2 and the one CM there is. */
const MAGIC = [0x1f, 0x8b, 8];

type WrapperName = "gzip" | "zlib" | "deflate";

const WRAPPERS = {
  deflate: { wrapper: Wrapper.RAW, kind: StreamKind.RAW },
  zlib: { wrapper: Wrapper.ZLIB, kind: StreamKind.ZLIB },
  gzip: { wrapper: Wrapper.GZIP, kind: StreamKind.GZIP },
} as const;

async function compress(
  wrapper: number,
  data: Uint8Array,
  level: number,
): Promise<Bytes> {
  checkLevel(level, 0, 9);
  return await encodeWhole(data, {
    format: "deflate",
    bound: ({ exports }, size) => exports.fb_deflate_bound(size),
    run: ({ exports }, ...buffers) =>
      exports.fb_deflate(wrapper, level, ...buffers),
  });
}

/**
 * Compresses into one gzip member without name and time: equal data gives equal bytes.
 *
 * Linear memory: twice the data plus at most 1 MiB.
 *
 * @param options.level 0 (stored) to 9 (smallest); the default is {@linkcode KERNEL_GZIP_LEVEL}.
 * @throws {CoreError} `wasm.no-memory` for data of about 500 MiB and more.
 * @see RFC 1952
 */
export async function gzip(
  data: Uint8Array,
  options: { readonly level?: number } = {},
): Promise<Bytes> {
  return await compress(
    Wrapper.GZIP,
    data,
    options.level ?? KERNEL_GZIP_LEVEL,
  );
}

/** As {@linkcode gzip}, without a wrapper. @see RFC 1951 */
export async function deflateRaw(
  data: Uint8Array,
  options: { readonly level?: number } = {},
): Promise<Bytes> {
  return await compress(Wrapper.RAW, data, options.level ?? KERNEL_GZIP_LEVEL);
}

/**
 * Decompresses gzip data: one or more members. What follows them and does not begin as another is ignored, as
 * `gzip` does.
 *
 * CRC-32 and size of each member, and the CRC of its header where there is one, are verified. Linear
 * memory: the data plus at most twice the largest member, never more than the data plus `maxSize`;
 * memory for output is taken as far as the data can possibly reach, whatever its trailer claims.
 *
 * @param options.maxSize Bytes of output at which it fails; must be given.
 * @throws {FormatError} `gzip.damaged`, `gzip.truncated`, `gzip.checksum-mismatch`,
 * `gzip.unsupported`, `gzip.output-limit`
 * @throws {CoreError} `wasm.no-memory`; {@linkcode gunzipStream} takes little, whatever the size.
 * @see RFC 1952
 */
export async function gunzip(
  data: Uint8Array,
  options: { readonly maxSize: number },
): Promise<Bytes> {
  return await inflate("gzip", data, options.maxSize);
}

/**
 * Decompresses one raw DEFLATE stream that ends with the data. Memory as {@linkcode gunzip}.
 *
 * @throws {FormatError} `deflate.damaged`, `deflate.truncated`, `deflate.output-limit`
 * @see RFC 1951
 */
export async function inflateRaw(
  data: Uint8Array,
  options: { readonly maxSize: number },
): Promise<Bytes> {
  return await inflate("deflate", data, options.maxSize);
}

/**
 * Decompresses one zlib stream that ends with the data, Adler-32 verified. Memory as
 * {@linkcode gunzip}.
 *
 * @throws {FormatError} `zlib.damaged`, `zlib.truncated`, `zlib.checksum-mismatch`,
 * `zlib.unsupported`, `zlib.output-limit`
 * @see RFC 1950
 */
export async function inflateZlib(
  data: Uint8Array,
  options: { readonly maxSize: number },
): Promise<Bytes> {
  return await inflate("zlib", data, options.maxSize);
}

/**
 * Decompresses gzip data piece by piece, as {@linkcode gunzip} does whole. Linear memory: 50 KiB.
 *
 * @example
 * ```ts
 * import { gunzipStream } from "./codecs.ts";
 *
 * const unpacked = new Blob(["not gzip"]).stream()
 *   .pipeThrough(gunzipStream({ maxSize: 1 << 20 }));
 * await new Response(unpacked).bytes().catch((error) => error.code); // "gzip.damaged"
 * ```
 */
export function gunzipStream(
  options: { readonly maxSize: number },
): TransformStream<Uint8Array, Bytes> {
  return decoderStream({
    kind: StreamKind.GZIP,
    format: "gzip",
    maxSize: options.maxSize,
    memoryLimit: 0,
  });
}

async function inflate(
  format: WrapperName,
  data: Uint8Array,
  maxSize: number,
): Promise<Bytes> {
  checkSize("maxSize", maxSize);
  const claimed = format === "gzip" && data.length >= 18
    ? new DataView(data.buffer, data.byteOffset).getUint32(
      data.length - 4,
      true,
    )
    : data.length * 4;
  // A claim is believed as far as it is common; beyond that, space doubles as output fills it.
  const hint = Math.min(claimed, data.length * 8, maxSize);
  const core = await codecCore(data.length + hint);
  const whole = withMemory(
    core,
    (memory) =>
      inflateWhole(core, memory, WRAPPERS[format].wrapper, data, maxSize, hint),
  );
  if (whole !== undefined) return whole;
  // Refused. The decoder by pieces is slower, but it tells why.
  return await decodeWhole(data, {
    kind: WRAPPERS[format].kind,
    format,
    maxSize,
    memoryLimit: 0,
  });
}

/** Undefined when anything is amiss. */
function inflateWhole(
  core: Core,
  memory: CallMemory,
  wrapper: number,
  data: Uint8Array,
  maxSize: number,
  hint: number,
): Bytes | undefined {
  const progress = memory.take(PROGRESS_SIZE);
  const input = memory.put(data);
  const parts: Bytes[] = [];
  let space = 0, output = 0, at = 0, total = 0;
  do {
    const left = data.length - at;
    // One byte more than is allowed tells the limit reached from the limit passed.
    const limit = Math.min(maxSize - total + 1, left * MAX_RATIO);
    const status = space === 0 ? Status.OUTPUT_LIMIT : core.exports
      .fb_inflate_whole(wrapper, input + at, left, output, space, progress);
    if (status === Status.OUTPUT_LIMIT && space < limit) {
      if (output !== 0) memory.drop(output);
      space = Math.min(
        limit,
        space === 0 ? Math.max(hint + 1, FIRST_OUTPUT) : space * 2,
      );
      output = memory.take(space);
      continue;
    }
    if (status !== Status.OK) return undefined;
    const [consumed = 0, produced = 0] = new Uint32Array(
      core.memory.buffer,
      progress,
      2,
    );
    at += consumed;
    total += produced;
    if (total > maxSize) return undefined;
    parts.push(core.view(output, produced).slice());
    if (wrapper !== Wrapper.GZIP) {
      if (at < data.length) return undefined;
    } else if (MAGIC.some((byte, i) => byte !== (data[at + i] ?? byte))) {
      break; // no other member
    }
  } while (at < data.length);
  return parts.length === 1 ? parts[0] : concat(parts);
}
