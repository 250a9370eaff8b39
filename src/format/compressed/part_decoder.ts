/**
 * Decodes one part of an image from its start to its end.
 *
 * @module
 */
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader } from "../../block/reader.ts";
import { FormatError, isCoded } from "../../errors.ts";
import type { CodecPool } from "../../wasm/pool.ts";
import { openPieceDecoder, type PieceDecoder } from "../../wasm/pieces.ts";
import type { Part } from "./parts.ts";

/** One read of the image takes so many bytes. */
const LEAST_READ = 32 << 10;
const MOST_READ = 1 << 20;
/** Bytes that one run of a decoder makes, 128 KiB more at most. */
const MOST_ROOM = 1 << 20;
const NOTHING = new Uint8Array(0);

/**
 * A decoder in the middle of a part. One call at a time; a call that was cancelled has changed
 * nothing, and after one that failed it must only be closed.
 */
export class PartDecoder {
  readonly part: Part;
  /** Bytes of content given so far. */
  position = 0;
  /** The part ended as it should, check sums and sizes included. */
  ended = false;
  readonly #image: BlockReader;
  readonly #decoder: PieceDecoder;
  /** Read and not yet decoded. */
  #input: Uint8Array;
  /** Bytes of the part that were read. */
  #read = 0;
  /** The read after that, on its way while this one is decoded. */
  #next: { readonly size: number; bytes: Promise<Uint8Array> } | undefined;
  #afterGiven: boolean;

  constructor(image: BlockReader, part: Part, pool: CodecPool | undefined) {
    this.part = part;
    this.#image = image;
    this.#decoder = pool?.openDecoder(part.spec) ?? openPieceDecoder(part.spec);
    this.#input = part.before ?? NOTHING;
    this.#afterGiven = part.after === undefined;
  }

  /**
   * The next bytes of the content; none at its end, and maybe before.
   *
   * @param target Byte of the content that is wanted at least: reads are made as large as that takes.
   * `Infinity` when all of it will be: then the next read begins before this one is decoded.
   * @throws {FormatError} as the codec does, named by part and place
   */
  async next(target: number, signal?: AbortSignal): Promise<Uint8Array> {
    const { part } = this;
    if (this.ended) return NOTHING;
    if (this.#input.length === 0) await this.#fill(target, signal);
    const finish = this.#read === part.size && this.#afterGiven;
    const left = (part.contentSize ?? Infinity) - this.position;
    // one byte more than is left: whether the part ends there must show
    const room = Math.min(MOST_ROOM, left + 1);
    let piece;
    try {
      piece = await this.#decoder.run(this.#input, finish, room);
    } catch (error) {
      throw this.#located(error);
    }
    this.#input = this.#input.subarray(piece.consumed);
    this.position += piece.bytes.length;
    if (piece.ended) this.#end();
    return piece.bytes;
  }

  close(): void {
    this.#decoder.close();
  }

  async #fill(target: number, signal: AbortSignal | undefined): Promise<void> {
    const { part } = this;
    const left = part.size - this.#read;
    if (left === 0) {
      if (!this.#afterGiven) this.#input = part.after!;
      this.#afterGiven = true;
      return;
    }
    let size = MOST_READ;
    if (part.contentSize !== undefined) {
      // as if it were compressed evenly, and a little more
      const share = (target - this.position) / part.contentSize;
      const wanted = share * part.size;
      size = Math.min(MOST_READ, Math.max(LEAST_READ, Math.ceil(wanted)));
    }
    // no crumbs for a read of their own
    if (left < size + LEAST_READ) size = left;
    const next = this.#next ?? this.#begin(size, signal);
    this.#next = undefined;
    this.#input = await next.bytes;
    this.#read += next.size;
    if (target < Infinity || this.#read === part.size) return;
    const rest = part.size - this.#read;
    this.#next = this.#begin(
      rest < MOST_READ + LEAST_READ ? rest : MOST_READ,
      signal,
    );
  }

  #begin(size: number, signal: AbortSignal | undefined) {
    const offset = this.part.offset + this.#read;
    const bytes = readExactly(this.#image, offset, size, { signal });
    // whoever waits for it is told; nobody may any more
    bytes.catch(() => {});
    return { size, bytes };
  }

  /** The codec has seen the end: everything else must be at its end too. */
  #end(): void {
    const { part } = this;
    const { contentSize } = part;
    if (contentSize !== undefined && this.position !== contentSize) {
      throw this.#damaged(
        `it holds ${this.position} bytes`,
        `${contentSize} as its image says`,
      );
    }
    const unused = part.size - this.#read + this.#input.length;
    const after = this.#afterGiven ? 0 : part.after?.length ?? 0;
    if (unused + after > 0) {
      throw this.#damaged(
        `it ends ${unused + after} bytes early`,
        `${part.size} bytes as its image says`,
      );
    }
    this.ended = true;
  }

  #damaged(found: string, expected: string): FormatError {
    const { part } = this;
    return new FormatError(
      `${part.spec.format}.damaged`,
      `${this.#start()}: ${found}, expected ${expected}; it may be damaged`,
      { facts: this.#facts() },
    );
  }

  /** The codec's error with what and where; what is not about the data stays as it is. */
  #located(error: unknown): unknown {
    if (!(error instanceof FormatError) || !isCoded(error)) return error;
    const { spec, excess, contentSize } = this.part;
    let code = error.code;
    let reason = error.message.replace(/^Cannot decode \S+ data: /, "");
    if (code.endsWith(".output-limit")) {
      // the limit is what the image says of itself, so this is not the caller's
      code = excess?.code ?? `${spec.format}.damaged`;
      reason = excess?.text ??
        `it holds more than ${contentSize} bytes, expected no more; it may be damaged`;
    }
    return new FormatError(code, `${this.#start()}: ${reason}`, {
      facts: { ...error.facts, ...this.#facts() },
      cause: error,
    });
  }

  #start(): string {
    const { name, spec, offset } = this.part;
    const what = name === "" ? spec.format : `${spec.format} ${name}`;
    return `Cannot decode ${what} at byte ${offset} of "${this.#image.name}"`;
  }

  #facts() {
    const { name, offset, size, contentSize } = this.part;
    return { part: name, start: offset, size, contentSize };
  }
}

/** The content of a part as a stream, decoded as fast as it is taken. */
export function decodedStream(
  image: BlockReader,
  part: Part,
  pool: CodecPool | undefined,
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  const decoder = new PartDecoder(image, part, pool);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        let bytes: Uint8Array = NOTHING;
        while (bytes.length === 0 && !decoder.ended) {
          bytes = await decoder.next(Infinity, signal);
        }
        if (bytes.length > 0) controller.enqueue(bytes);
        if (decoder.ended) {
          controller.close();
          decoder.close();
        }
      } catch (error) {
        decoder.close();
        throw error;
      }
    },
    cancel() {
      decoder.close();
    },
  }, { highWaterMark: 0 });
}
