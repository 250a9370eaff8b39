/**
 * Decoders that are fed in pieces and asked for pieces, on this thread without holding it for long.
 *
 * @module
 */
import { type Bytes, codecCore } from "./call.ts";
import { Decoder, type DecoderSpec } from "./decoder.ts";
import { StreamKind } from "./exports.ts";
import { CHECK_IDS, type XzCheck } from "./xz_index.ts";

/** What a decoder decodes and how far it may go: plain data, fit to be sent to a worker. */
export type PieceSpec = DecoderSpec;

/** What one run gave. */
export interface Piece {
  /** Decoded; memory of the caller's own. */
  readonly bytes: Bytes;
  /** Bytes of the input that were used; the rest must be given again. */
  readonly consumed: number;
  /** All ended as it should. */
  readonly ended: boolean;
}

/** A decoder in the middle of its data. Holds memory until it is closed. */
export interface PieceDecoder {
  /**
   * Decodes until the input is used up, the data ends, or `room` bytes were made (128 KiB more at
   * most). One run at a time. A decoder that failed must only be closed.
   *
   * @param finish No input follows `data`.
   * @throws {FormatError | CoreError} as the codec does, see `codecs.ts`
   */
  run(data: Uint8Array, finish: boolean, room: number): Promise<Piece>;
  /** Gives the memory back. Twice is fine. */
  close(): void;
}

/** What `xz -9` makes takes 65 MiB. */
const XZ_MEMORY = 128 << 20;
/** What `zstd -d` takes unless told otherwise. */
const ZSTD_WINDOW = 128 << 20;

/** Specs of all that can be decoded in pieces. `maxSize`: bytes of output at which it fails. */
export const pieceSpecs = {
  /** Members; what follows them is passed over. */
  gzip: (maxSize: number): PieceSpec =>
    spec(StreamKind.GZIP, "gzip", maxSize, 0),
  /** Frames and skippable frames. Windows up to 128 MiB. */
  zstd: (maxSize: number): PieceSpec =>
    spec(StreamKind.ZSTD, "zstd", maxSize, ZSTD_WINDOW),
  /** Frames and skippable frames. */
  lz4: (maxSize: number): PieceSpec => spec(StreamKind.LZ4, "lz4", maxSize, 0),
  /** Streams; what follows them is passed over. */
  bzip2: (maxSize: number): PieceSpec =>
    spec(StreamKind.BZIP2, "bzip2", maxSize, 0),
  /** One block. Dictionaries up to 128 MiB, less what the decoder takes itself. */
  xzBlock: (maxSize: number, check: XzCheck): PieceSpec => ({
    ...spec(StreamKind.XZ_BLOCK, "xz", maxSize, XZ_MEMORY),
    option: CHECK_IDS[check],
  }),
} as const;

function spec(
  kind: DecoderSpec["kind"],
  format: DecoderSpec["format"],
  maxSize: number,
  memoryLimit: number,
): PieceSpec {
  return { kind, format, maxSize, memoryLimit };
}

/** Milliseconds of decoding between two turns of everything else on this thread. */
const TURN_MS = 10;
/** Spent since the last one, by all decoders: short runs may follow each other without end. */
let spentMs = 0;
const MARGIN = 128 << 10;
/**
 * Input of one call of the core, which nothing can interrupt. bzip2 may take all of it before it gives
 * anything, at 4 MB/s; of the others 128 KiB of output are the limit.
 */
const CALL_BYTES = 256 << 10;
const BZIP2_CALL_BYTES = 48 << 10;

/**
 * Opens a decoder on this thread. It gives everything else a turn every 10 ms, or is done sooner.
 *
 * @param turns `false` where nothing else waits, as in a worker.
 */
export function openPieceDecoder(
  spec: PieceSpec,
  { turns = true }: { readonly turns?: boolean } = {},
): PieceDecoder {
  return new InlineDecoder(spec, turns);
}

class InlineDecoder implements PieceDecoder {
  readonly #spec: PieceSpec;
  readonly #turns: boolean;
  #decoder: Decoder | undefined;
  #closed = false;
  #running = false;

  constructor(spec: PieceSpec, turns: boolean) {
    this.#spec = spec;
    this.#turns = turns;
  }

  async run(data: Uint8Array, finish: boolean, room: number): Promise<Piece> {
    this.#running = true;
    try {
      return await this.#run(data, finish, room);
    } finally {
      this.#running = false;
      if (this.#closed) this.#decoder?.close();
    }
  }

  async #run(data: Uint8Array, finish: boolean, room: number): Promise<Piece> {
    const decoder = this.#decoder ??= new Decoder(
      await codecCore(),
      this.#spec,
    );
    const bytes = new Uint8Array(room + MARGIN);
    const most = this.#spec.format === "bzip2" ? BZIP2_CALL_BYTES : CALL_BYTES;
    let size = 0, at = 0;
    const take = (piece: Uint8Array) => {
      bytes.set(piece, size);
      size += piece.length;
    };
    do {
      const start = performance.now();
      // the end is told when all is used up: liblzma takes no more input after it
      const rest = data.subarray(at, at + most);
      at += decoder.step(rest, finish && rest.length === 0, take);
      spentMs += performance.now() - start;
      if (this.#turns && spentMs > TURN_MS) {
        spentMs = 0;
        await new Promise((resolve) => setTimeout(resolve));
      }
    } while (
      !decoder.ended && size < room && !this.#closed &&
      (at < data.length || decoder.pending || finish)
    );
    return {
      bytes: bytes.subarray(0, size),
      consumed: at,
      ended: decoder.ended,
    };
  }

  close(): void {
    this.#closed = true;
    // one that runs is closed when its run ends
    if (!this.#running) this.#decoder?.close();
  }
}
