/**
 * Takes a kernel out of everything it is wrapped in.
 *
 * @module
 */

import { type ErrorCode, FormatError, isCoded } from "../../errors.ts";
import {
  gunzip,
  lz4FrameDecode,
  lz4LegacyDecode,
  lzmaDecode,
  xzDecode,
  zstdDecode,
} from "../../wasm/codecs.ts";
import { trailingDtb } from "./dtb.ts";
import {
  identifyKernel,
  type KernelImageFormat,
  type KernelWrapping,
  SETUP_HEADER,
  SetupHeader,
} from "./identify.ts";
import { parsePeSections } from "./pe.ts";
import { cutShort, parseZboot } from "./zboot.ts";

/** Bytes that a kernel may have, unless the caller says otherwise. */
export const MAX_KERNEL_SIZE: number = 128 << 20;
const MAX_LAYERS = 4;
/** Linux compresses with dictionaries of up to 128 MiB, which is what liblzma takes beside its own. */
const XZ_MEMORY = 160 << 20;
const ZSTD_WINDOW = 128 << 20;

/** Bounds of {@linkcode unwrapKernel}. */
export interface UnwrapOptions {
  /** Bytes of the kernel at which it fails; {@linkcode MAX_KERNEL_SIZE} when absent. */
  readonly maxSize?: number;
  /** What messages call it: its path. */
  readonly name?: string;
}

/** A kernel without wrapping. */
export interface UnwrappedKernel {
  /** What messages call it. */
  readonly name: string;
  /** What it is: an arm64 Image or an x86 bzImage, both maybe EFI programs too. */
  readonly format: KernelImageFormat;
  /** The kernel. A view of what was given when there was no wrapping. */
  readonly image: Uint8Array<ArrayBuffer>;
  /** What was taken off, outermost first; `dtb` for device trees that followed compressed data. */
  readonly layers: readonly (KernelWrapping | "dtb")[];
  /** The gzip data that held `image` and nothing else: good for use where gzip is wanted. */
  readonly passthrough?: Uint8Array<ArrayBuffer>;
}

/**
 * Takes a kernel out of everything it is wrapped in: gzip, LZ4 (legacy and frames), zstd, xz, lzma,
 * EFI zboot with any of these but frames, and unified kernel images, up to 4 layers.
 *
 * What an EFI zboot image holds has zeros up to its size in memory at the end.
 *
 * @param bytes The kernel's file, whole. It stays with the caller, and so it must not change while
 * the result is in use.
 * @throws {FormatError} `kernel.unknown-format`, `kernel.truncated`, `kernel.damaged`,
 * `kernel.too-large`, `kernel.too-deep`, `kernel.unsupported-compression`
 *
 * @example
 * ```ts
 * import { unwrapKernel } from "./unwrap.ts";
 *
 * await unwrapKernel(Uint8Array.of(1, 2, 3, 4)).catch((error) => {
 *   console.assert(error.code === "kernel.unknown-format");
 * });
 * ```
 */
export async function unwrapKernel(
  bytes: Uint8Array<ArrayBuffer>,
  options: UnwrapOptions = {},
): Promise<UnwrappedKernel> {
  const { maxSize = MAX_KERNEL_SIZE, name = "kernel" } = options;
  const layers: (KernelWrapping | "dtb")[] = [];
  let here = bytes;
  let gzipped: Uint8Array<ArrayBuffer> | undefined;
  /** What the layer above says of this one; its own bytes may say less. */
  let stated: KernelWrapping | undefined;
  for (let depth = 0;; depth++) {
    const format = stated ?? identifyKernel(here);
    stated = undefined;
    if (format === undefined) throw unknownFormat(name, here, layers);
    if (format === "arm64" || format === "bzimage") {
      if (here.length > maxSize) throw tooLarge(name, maxSize);
      checkWhole(name, format, here);
      return {
        name,
        format,
        image: here,
        layers,
        ...(gzipped === undefined ? {} : { passthrough: gzipped }),
      };
    }
    if (depth === MAX_LAYERS) {
      throw new FormatError(
        "kernel.too-deep",
        `Cannot unwrap kernel "${name}": found more than ${MAX_LAYERS} layers (${
          [...layers, format].join(", ")
        }), expected at most ${MAX_LAYERS}`,
        { facts: { name, layers: layers.join(), limit: MAX_LAYERS } },
      );
    }
    layers.push(format);
    gzipped = undefined;
    if (format === "zboot") {
      const payload = parseZboot(here, name);
      stated = payload.format;
      here = payload.bytes as Uint8Array<ArrayBuffer>;
    } else if (format === "uki") {
      here = linuxSection(here, name);
    } else {
      const { output, input } = await decode(format, here, name, maxSize);
      if (input.length < here.length) layers.push("dtb");
      if (format === "gzip" && endsWithSize(input, output)) gzipped = input;
      here = output;
    }
  }
}

type Compression = Exclude<KernelWrapping, "zboot" | "uki">;
type Bytes = Uint8Array<ArrayBuffer>;

/** Whether gzip data ends with the trailer of its one member: something else may follow that. */
function endsWithSize(input: Bytes, output: Bytes): boolean {
  const view = new DataView(input.buffer, input.byteOffset, input.length);
  return view.getUint32(input.length - 4, true) === output.length;
}

/** Decompresses; device trees that follow are left alone. `input` is what was decompressed. */
async function decode(
  format: Compression,
  bytes: Bytes,
  name: string,
  maxSize: number,
): Promise<{ output: Bytes; input: Bytes }> {
  const input = bytes.subarray(0, trailingDtb(bytes));
  try {
    return { output: await decompress(format, input, maxSize), input };
  } catch (error) {
    throw wrapped(error, format, name, maxSize);
  }
}

async function decompress(
  format: Compression,
  bytes: Bytes,
  maxSize: number,
): Promise<Bytes> {
  switch (format) {
    case "gzip":
      return await gunzip(bytes, { maxSize });
    case "lz4-legacy":
      return await lz4LegacyDecode(bytes, { maxSize });
    case "lz4":
      return await lz4FrameDecode(bytes, { maxSize });
    case "zstd":
      return await zstdDecode(bytes, { maxSize, windowLimit: ZSTD_WINDOW });
    case "xz":
      return await xzDecode(bytes, { maxSize, memoryLimit: XZ_MEMORY });
    case "lzma":
      return await lzmaDecode(bytes, { maxSize, memoryLimit: XZ_MEMORY });
  }
}

/** The error of a codec as one that names the kernel. What is not of the data stays as it is. */
function wrapped(
  error: unknown,
  format: Compression,
  name: string,
  maxSize: number,
): unknown {
  if (!isCoded(error) || error.code.startsWith("wasm.")) return error;
  const what = error.code.slice(error.code.indexOf(".") + 1);
  if (what === "output-limit") return tooLarge(name, maxSize, error);
  const code: ErrorCode = what === "truncated"
    ? "kernel.truncated"
    : "kernel.damaged";
  return new FormatError(
    code,
    `Cannot unwrap kernel "${name}", which is compressed as ${format}: ${
      error.message.replace(/^Cannot decode /, "")
    }`,
    { facts: { ...error.facts, name, format }, cause: error },
  );
}

function linuxSection(bytes: Bytes, name: string): Bytes {
  const section = parsePeSections(bytes)!.find(({ name }) =>
    name === ".linux"
  )!;
  const end = section.offset + section.size;
  if (end > bytes.length) throw cutShort(name, bytes.length, end);
  return bytes.subarray(section.offset, end);
}

/** Finds out whether a kernel was cut short, as far as its headers tell. */
function checkWhole(
  name: string,
  format: KernelImageFormat,
  image: Uint8Array,
): void {
  const ends = (parsePeSections(image) ?? []).map(({ end }) => end);
  if (format === "bzimage") {
    const { setupSects, syssize } = SetupHeader.read(image, SETUP_HEADER);
    // 0 stands for 4; the boot sector comes before, the kernel after, in paragraphs of 16 bytes.
    ends.push(((setupSects[0] || 4) + 1) * 512 + syssize * 16);
  }
  const expected = Math.max(0, ...ends);
  // Signing tools and bootloaders' packers drop or add up to a block of padding at the end.
  if (image.length + 512 <= expected) {
    throw cutShort(name, image.length, expected);
  }
}

function unknownFormat(
  name: string,
  bytes: Uint8Array,
  layers: readonly string[],
): FormatError {
  const found = bytes.length === 0
    ? "nothing"
    : `bytes ${
      [...bytes.subarray(0, 8)].map((byte) =>
        byte.toString(16).padStart(2, "0")
      )
        .join(" ")
    } at the start`;
  return new FormatError(
    "kernel.unknown-format",
    `Cannot unwrap kernel "${name}": found ${found}${
      layers.length === 0 ? "" : ` of what ${layers.at(-1)} holds`
    }, expected an arm64 Image, an x86 bzImage, EFI zboot, or one of them compressed`,
    { facts: { name, found, layers: layers.join() } },
  );
}

function tooLarge(
  name: string,
  maxSize: number,
  cause?: unknown,
): FormatError {
  return new FormatError(
    "kernel.too-large",
    `Cannot unwrap kernel "${name}": it holds more than ${maxSize} bytes, expected at most as many`,
    {
      facts: { name, maxSize },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
