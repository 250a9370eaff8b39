/**
 * What all wrappers of the core share: an instance, memory for one call, errors for a status.
 *
 * @module
 */
import { type ErrorCode, FormatError } from "../errors.ts";
import { CoreError } from "./errors.ts";
import { Status } from "./exports.ts";
import { type Core, instantiateCore } from "./instance.ts";

/** A byte array over memory of its own, as every codec returns. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** An instance whose memory has grown beyond this serves no new call: memory never shrinks. */
const RETIRE_SIZE = 64 << 20;
/** Calls that need more than this get an instance to themselves, which goes when they are done. */
const PRIVATE_SIZE = 16 << 20;

let shared: Promise<Core> | undefined;

/**
 * The instance for a codec call. It is not the one of `loadCore()`, so that what one large call
 * leaves behind does not stay with those who keep theirs for long.
 *
 * @param need Bytes of linear memory that the call will take, as far as is known.
 */
export async function codecCore(need = 0): Promise<Core> {
  if (need > PRIVATE_SIZE) return await instantiateCore();
  const loading = shared ??= instantiateCore();
  try {
    const core = await loading;
    if (!core.crashed && core.memory.buffer.byteLength <= RETIRE_SIZE) {
      return core;
    }
  } catch (error) {
    if (shared === loading) shared = undefined;
    throw error;
  }
  if (shared === loading) shared = undefined;
  return await codecCore();
}

/** Memory of one call: everything taken is given back when `run` returns or throws. */
export function withMemory<T>(core: Core, run: (memory: CallMemory) => T): T {
  const memory = new CallMemory(core);
  try {
    return run(memory);
  } finally {
    memory.release();
  }
}

/** See {@linkcode withMemory}. */
export class CallMemory {
  readonly #core: Core;
  readonly #taken: number[] = [];

  constructor(core: Core) {
    this.#core = core;
  }

  /** Takes memory. Ends all views. */
  take(size: number): number {
    const pointer = this.#core.alloc(Math.max(size, 1));
    this.#taken.push(pointer);
    return pointer;
  }

  /** Takes memory and fills it. */
  put(data: Uint8Array): number {
    const pointer = this.take(data.length);
    this.#core.view(pointer, data.length).set(data);
    return pointer;
  }

  /** Gives back one piece early. */
  drop(pointer: number): void {
    this.#taken.splice(this.#taken.indexOf(pointer), 1);
    this.#core.free(pointer);
  }

  release(): void {
    for (const pointer of this.#taken.splice(0)) this.#core.free(pointer);
  }
}

/** How an encoder of the core is called. */
export interface Encoder {
  readonly format: Format;
  /** Bytes of linear memory that it takes besides input and output; default 0. */
  readonly extra?: number;
  /** Most bytes that it makes of `size` bytes. */
  bound(core: Core, size: number): number;
  /** Runs it; gives the bytes made, or a negative status. */
  run(
    core: Core,
    input: number,
    size: number,
    output: number,
    bound: number,
  ): number;
}

/** Encodes a whole buffer. Linear memory: twice the data, and what the encoder takes itself. */
export async function encodeWhole(
  data: Uint8Array,
  encoder: Encoder,
): Promise<Bytes> {
  const core = await codecCore(data.length * 2 + (encoder.extra ?? 0));
  return withMemory(core, (memory) => {
    const input = memory.put(data);
    const bound = encoder.bound(core, data.length);
    const output = memory.take(bound);
    const size = encoder.run(core, input, data.length, output, bound);
    if (size < 0) throw failure({ format: encoder.format, status: size });
    return core.view(output, size).slice();
  });
}

/** Formats that codecs speak of in error codes. */
export type Format =
  | "bzip2"
  | "cpio"
  | "deflate"
  | "gzip"
  | "lz4"
  | "lzma"
  | "microlzma"
  | "xz"
  | "zlib"
  | "zstd";

/** What a failed call knew. */
export interface Failure {
  readonly format: Format;
  readonly status: number;
  /** Bytes of input up to the fault, as near as is known. */
  readonly offset?: number;
  readonly maxSize?: number;
  readonly memoryLimit?: number;
}

/** The error for a negative status. Codes are `<format>.damaged` and so on. */
export function failure(of: Failure): Error {
  const { format, status, offset, maxSize, memoryLimit } = of;
  const where = offset === undefined ? "" : ` at or before byte ${offset}`;
  const make = (what: string, text: string) => {
    const code: ErrorCode = `${format}.${what}`;
    return new FormatError(code, `Cannot decode ${format} data: ${text}`, {
      facts: { offset, maxSize, memoryLimit },
    });
  };
  switch (status) {
    case Status.TRUNCATED:
      return make(
        "truncated",
        `it ends${
          offset === undefined ? "" : ` after ${offset} bytes`
        }, expected more; the file may be cut short`,
      );
    case Status.CHECKSUM:
      return make(
        "checksum-mismatch",
        `a check sum${where} does not fit the data; the file may be damaged`,
      );
    case Status.UNSUPPORTED:
      return make(
        format === "xz" ? "unsupported-filter" : "unsupported",
        `it uses a feature${where} that is not built in`,
      );
    case Status.OUTPUT_LIMIT:
      return make(
        "output-limit",
        `it holds more bytes than the limit, expected at most ${maxSize}`,
      );
    case Status.MEMORY_LIMIT_REACHED:
      return make(
        "memory-limit",
        `its dictionary or window takes more memory than the limit, expected at most ${memoryLimit} bytes`,
      );
    case Status.NO_MEMORY:
      return new CoreError(
        "wasm.no-memory",
        `Cannot decode ${format} data: linear memory cannot grow as far as is needed`,
      );
    case Status.BAD_ARGUMENT:
      return new RangeError(
        `Cannot decode ${format} data: the core refused the arguments`,
      );
    default:
      return make("damaged", `it is damaged${where}`);
  }
}

/** Refuses a limit that is no number of bytes. */
export function checkSize(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(
      `Cannot use ${name}: found ${value}, expected a whole number of bytes, 0 or more`,
    );
  }
}

/** Refuses a level out of range. */
export function checkLevel(level: number, min: number, max: number): void {
  if (!Number.isInteger(level) || level < min || level > max) {
    throw new RangeError(
      `Cannot compress at level ${level}: expected a whole number from ${min} to ${max}`,
    );
  }
}
