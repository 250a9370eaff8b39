/**
 * Content that hangs together from its start to its end, and does not say how much it is.
 *
 * @module
 */
import type {
  BlockReader,
  ClosableReader,
  ReadOptions,
} from "../../block/reader.ts";
import { openSpooled } from "../../block/spool.ts";
import type { PieceSpec } from "../../wasm/pieces.ts";
import { decodedStream } from "./part_decoder.ts";
import type {
  CompressedFormat,
  CompressedReader,
  DecodeOptions,
} from "./reader.ts";

/**
 * Decodes all of the image once, into the store, and opens what was kept. A store that has it already
 * answers at once.
 *
 * @throws {ReadError} `store.no-room` without a store, when there are more than 256 MiB
 * @throws {FormatError} as the codec does
 */
export async function openWhole(
  image: BlockReader,
  format: CompressedFormat,
  spec: PieceSpec,
  options: DecodeOptions,
): Promise<CompressedReader> {
  const part = {
    name: "",
    spec,
    offset: 0,
    size: image.size,
    contentSize: undefined,
  };
  const identity = `${image.identity}|${format}`;
  const reader = await openSpooled({
    key: { identity, name: `${image.name} (unpacked)` },
    source: (signal) => decodedStream(image, part, options.pool, signal),
    store: options.store,
    onProgress: options.onProgress,
    signal: options.signal,
  });
  return new WholeReader(reader, image, format, identity);
}

class WholeReader implements CompressedReader {
  readonly blockSize: number;
  readonly size: number;
  readonly name: string;
  readonly identity: string;
  readonly format: CompressedFormat;
  readonly access = "forward";
  readonly storedSize: number;
  readonly parts = undefined;
  readonly #reader: ClosableReader;

  constructor(
    reader: ClosableReader,
    image: BlockReader,
    format: CompressedFormat,
    identity: string,
  ) {
    this.blockSize = reader.blockSize;
    this.size = reader.size;
    this.name = image.name;
    this.identity = identity;
    this.format = format;
    this.storedSize = image.size;
    this.#reader = reader;
  }

  read(
    offset: number,
    into: Uint8Array,
    options?: ReadOptions,
  ): Promise<number> {
    return this.#reader.read(offset, into, options);
  }

  close(): Promise<void> {
    return this.#reader.close();
  }
}
