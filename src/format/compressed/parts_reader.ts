/**
 * Content of many parts as a reader.
 *
 * @module
 */
import { clampRead } from "../../block/range.ts";
import type {
  BlockReader,
  ClosableReader,
  ReadOptions,
} from "../../block/reader.ts";
import { FormatError, isCoded, ReadError } from "../../errors.ts";
import { Decoding, PAGE_SIZE, type PageAddress } from "./decoding.ts";
import { KeptPages } from "./kept_pages.ts";
import { PartDecoder } from "./part_decoder.ts";
import type { Part, PartCoding, PartTable } from "./parts.ts";
import {
  cachedBytes,
  type CompressedFormat,
  type CompressedReader,
  type DecodeOptions,
} from "./reader.ts";
import { SpooledParts } from "./spooled_parts.ts";

/** Pages of one read that are decoded at the same time. */
const BATCH_PAGES = 32;

/**
 * Parts up to this are decoded whole. Of larger ones, 16 MiB as a rule, what is not wanted would cost
 * more than all that is: of a disk in xz twice as many bytes for a kernel and its modules.
 */
const WHOLE_BYTES = 4 << 20;

/** An image whose parts are known. */
export interface Parts {
  readonly format: CompressedFormat;
  readonly table: PartTable;
  /** Bytes of content that a stored byte can become at most, in this format. */
  readonly maxRatio: number;
  /** Decoding takes so long that what has left memory is better kept in a store. */
  readonly slow?: boolean;
  /** How each part is decoded. */
  coding(part: number): PartCoding;
}

/** Room for what is not in proportion, such as a block of one code. */
const RATIO_SLACK = 1 << 18;

/**
 * Opens content of which every part can be decoded alone. Reads nothing.
 *
 * A part of up to 4 MiB is decoded whole and verified before a byte of it is given. A larger one is
 * decoded as far as is wanted, and damage that only its check sum shows is told at its end; one that is
 * larger than half of the memory allowed is kept in the store when there is one, and decoded once. Of
 * formats that are slow, all that was decoded is kept there.
 *
 * @throws {FormatError} `<format>.damaged`: a part claims more than it can hold
 */
export function openParts(
  image: BlockReader,
  parts: Parts,
  options: DecodeOptions,
): CompressedReader {
  cachedBytes(options); // the caller's mistakes first
  checkSizes(image, parts);
  return new PartsReader(image, parts, options);
}

/** Whoever trusts a size takes memory by it: none is given that cannot be. */
function checkSizes(
  image: BlockReader,
  { format, table, maxRatio, coding }: Parts,
): void {
  for (let part = 0; part < table.count; part++) {
    const stored = table.storedSize(part);
    const size = table.end(part) - table.start(part);
    if (size <= stored * maxRatio + RATIO_SLACK) continue;
    throw new FormatError(
      `${format}.damaged`,
      `Cannot open ${format} file "${image.name}": ${
        coding(part).name
      } claims ${size} bytes of content in ${stored} bytes at byte ${
        table.offset(part)
      }, expected at most ${maxRatio} times as many; it may be damaged`,
      { facts: { part, size, stored } },
    );
  }
}

class PartsReader implements CompressedReader {
  readonly blockSize = 512;
  readonly size: number;
  readonly name: string;
  readonly identity: string;
  readonly format: CompressedFormat;
  readonly access: "random" | "forward";
  readonly storedSize: number;
  readonly parts: number;
  readonly #table: PartTable;
  readonly #decoding: Decoding;
  readonly #spooled: SpooledParts | undefined;
  /** The store cannot be used: large parts are decoded again where they have to be. */
  #noStore = false;
  readonly #kept: KeptPages | undefined;
  readonly #wholeBytes: number;
  #closed = false;

  constructor(image: BlockReader, parts: Parts, options: DecodeOptions) {
    const { format, table } = parts;
    const maxBytes = cachedBytes(options);
    this.size = table.size;
    this.name = image.name;
    this.identity = `${image.identity}|${format}`;
    this.format = format;
    this.storedSize = image.size;
    this.parts = table.count;
    this.access = table.count === 1 && table.largest > maxBytes / 2
      ? "forward"
      : "random";
    this.#table = table;
    this.#wholeBytes = maxBytes / 2;
    const part = (index: number): Part => ({
      ...parts.coding(index),
      offset: table.offset(index),
      size: table.storedSize(index),
      contentSize: table.end(index) - table.start(index),
    });
    if (options.store !== undefined && parts.slow === true) {
      const { name, size } = this;
      const identity = `${this.identity}|pages`;
      this.#kept = new KeptPages(options.store, { identity, name, size });
    }
    this.#decoding = new Decoding({
      decoded: (start, bytes) => this.#kept?.keep(start, bytes),
      damaged: () => void this.#kept?.drop().catch(() => {}),
      open: (index) => new PartDecoder(image, part(index), options.pool),
      start: (index) => table.start(index),
      size: (index) => table.end(index) - table.start(index),
      whole: (index) =>
        table.end(index) - table.start(index) <= WHOLE_BYTES &&
        !this.#large(index) && !parts.coding(index).unchecked,
    }, maxBytes);
    if (options.store !== undefined) {
      this.#spooled = new SpooledParts(image, part, options);
    }
  }

  async read(
    offset: number,
    into: Uint8Array,
    { signal }: ReadOptions = {},
  ): Promise<number> {
    const count = clampRead(this.size, offset, into.length);
    signal?.throwIfAborted();
    if (this.#closed) throw this.#closedError(offset);
    for (let done = 0; done < count;) {
      const at = offset + done;
      const rest = into.subarray(done, count);
      const part = this.#table.indexOf(at);
      done += this.#isSpooled(part)
        ? await this.#readSpooled(part, at, rest, signal)
        : await this.#readPages(at, rest, signal);
    }
    return count;
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#decoding.close(this.#closedError(0));
    }
    await this.#kept?.close();
    await this.#spooled?.close();
  }

  #large(part: number): boolean {
    const table = this.#table;
    return table.end(part) - table.start(part) > this.#wholeBytes;
  }

  #isSpooled(part: number): boolean {
    return this.#spooled !== undefined && !this.#noStore && this.#large(part);
  }

  /** Bytes read; none when the store has no room, and the part must be decoded without it. */
  async #readSpooled(
    part: number,
    offset: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const start = this.#table.start(part);
    const wanted = into.subarray(0, this.#table.end(part) - offset);
    try {
      return await this.#spooled!.use(
        part,
        (reader: ClosableReader) =>
          reader.read(offset - start, wanted, { signal }),
        signal,
      );
    } catch (error) {
      if (!isCoded(error, "store.no-room")) throw error;
      this.#noStore = true;
      return 0;
    }
  }

  /** Fills the start of `into`, pages at a time; gives the bytes. */
  async #readPages(
    offset: number,
    into: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const pages: { from: number; to: number; page: PageAddress }[] = [];
    const table = this.#table;
    let part = table.indexOf(offset);
    let at = offset;
    while (at < offset + into.length && pages.length < BATCH_PAGES) {
      if (at === table.end(part)) part++;
      if (this.#isSpooled(part)) break;
      const inPart = at - table.start(part);
      const page = { part, at: inPart - inPart % PAGE_SIZE };
      const end = Math.min(
        table.start(part) + page.at + PAGE_SIZE,
        table.end(part),
        offset + into.length,
      );
      pages.push({ from: at, to: end, page });
      at = end;
    }
    const waits: Promise<void>[] = [];
    for (const { from, to, page } of pages) {
      const copy = (bytes: Uint8Array) => {
        const skip = from - table.start(page.part) - page.at;
        into.set(bytes.subarray(skip, skip + to - from), from - offset);
      };
      const kept = this.#decoding.kept(page);
      if (kept !== undefined) copy(kept);
      else waits.push(this.#page(page, signal).then(copy));
    }
    if (waits.length > 0) await settled(waits);
    return at - offset;
  }

  /** A page from the store, or decoded. */
  async #page(
    page: PageAddress,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    if (this.#kept !== undefined) {
      const start = this.#table.start(page.part) + page.at;
      const end = Math.min(this.#table.end(page.part), start + PAGE_SIZE);
      const kept = await this.#kept.read(start, end - start, signal);
      // nobody would close a decoder that begins after close()
      if (this.#closed) throw this.#closedError(start);
      if (kept !== undefined) {
        this.#decoding.put(page, kept);
        return kept;
      }
    }
    return await this.#decoding.decode(page, signal);
  }

  #closedError(offset: number): ReadError {
    return new ReadError(
      "read.closed",
      `Cannot read byte ${offset} of "${this.name}": it is closed`,
      { facts: { offset } },
    );
  }
}

/** Waits for all: a read that rejected must not fill the caller's buffer any more. */
async function settled(waits: readonly Promise<void>[]): Promise<void> {
  const ends = await Promise.allSettled(waits);
  for (const end of ends) {
    if (end.status === "rejected") throw end.reason;
  }
}
