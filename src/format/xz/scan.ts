/**
 * Finds the streams of an xz file and their blocks, from its end backwards.
 *
 * @module
 */
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { FormatError, isCoded } from "../../errors.ts";
import {
  decodeXzIndex,
  parseXzStreamFooter,
  parseXzStreamHeader,
  XZ_STREAM_HEADER_SIZE,
  type XzCheck,
} from "../../wasm/codecs.ts";
import { PartTable } from "../compressed/parts.ts";

/** Bytes read at the end, where footer and, as a rule, the whole index are. */
const TAIL_SIZE = 64 << 10;
const PADDING_READ = 1 << 20;
/** What a partition around the file may add; more is looked through in vain. */
const MAX_PADDING = 64 << 20;
const MAX_INDEX_SIZE = 64 << 20;
const MAX_BLOCKS = 1 << 20;
/** Programs that make many have one for some MiB; each may cost three reads. */
const MAX_STREAMS = 1 << 14;
/** Streams after which everything else on this thread has a turn: an abort may wait for it. */
const STREAMS_PER_TURN = 256;
const HEADER_MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];

/** One stream of the file. */
interface XzStream {
  /** Byte of its header. */
  readonly offset: number;
  readonly check: XzCheck;
  readonly blocks: readonly {
    readonly offset: number;
    readonly size: number;
    readonly contentSize: number;
  }[];
}

/** What an xz file is made of. */
export interface XzLayout {
  readonly table: PartTable;
  readonly streams: number;
  /** What protects block `part` of the table. */
  check(part: number): XzCheck;
  /** All checks in use, in the order of the streams. */
  readonly checks: readonly XzCheck[];
}

/** Reads all indexes; at most 3 reads for the last stream and 2 for each one before it. */
export async function scanXz(
  image: BlockReader,
  options: ReadOptions,
): Promise<XzLayout> {
  const window = new Window(image, options);
  const streams: XzStream[] = [];
  let blocks = 0;
  window.end = await skipPadding(window, image.size);
  for (let end = window.end; end > 0;) {
    if (streams.length === MAX_STREAMS) throw tooManyStreams(image, end);
    if (streams.length % STREAMS_PER_TURN === STREAMS_PER_TURN - 1) {
      await new Promise((resolve) => setTimeout(resolve));
    }
    options.signal?.throwIfAborted();
    const stream = await readStream(window, end, MAX_BLOCKS - blocks);
    blocks += stream.blocks.length;
    streams.push(stream);
    end = stream.offset === 0 ? 0 : await skipPadding(window, stream.offset);
  }
  if (streams.length === 0) throw await notXz(window, "it holds only zeros");
  return layOut(streams.reverse());
}

function tooManyStreams(image: BlockReader, end: number): FormatError {
  return new FormatError(
    "xz.too-many-streams",
    `Cannot open xz file "${image.name}": found more than ${MAX_STREAMS} streams from byte ${end} on, expected no more; pack it anew`,
    { facts: { offset: end, limit: MAX_STREAMS } },
  );
}

function layOut(streams: readonly XzStream[]): XzLayout {
  const table = new PartTable();
  /** First part of each stream that has any. */
  const firsts: { readonly part: number; readonly check: XzCheck }[] = [];
  for (const { offset, check, blocks } of streams) {
    const part = table.count;
    for (const block of blocks) {
      table.add(offset + block.offset, block.size, block.contentSize);
    }
    if (table.count > part) firsts.push({ part, check });
  }
  return {
    table,
    streams: streams.length,
    checks: [...new Set(streams.map(({ check }) => check))],
    check(part) {
      let low = 0, high = firsts.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >>> 1;
        if (firsts[middle]!.part <= part) low = middle;
        else high = middle - 1;
      }
      return firsts[low]!.check;
    },
  };
}

async function readStream(
  window: Window,
  end: number,
  maxBlocks: number,
): Promise<XzStream> {
  const footerAt = end - XZ_STREAM_HEADER_SIZE;
  if (footerAt < XZ_STREAM_HEADER_SIZE) {
    throw await notXz(window, `it has ${end} bytes left for a stream`);
  }
  const footer = await parsing(
    window,
    footerAt,
    async () =>
      await parseXzStreamFooter(
        await window.read(footerAt, XZ_STREAM_HEADER_SIZE),
      ),
  );
  const indexAt = footerAt - footer.indexSize;
  if (indexAt < XZ_STREAM_HEADER_SIZE || footer.indexSize > MAX_INDEX_SIZE) {
    throw fault(
      window,
      "stream footer",
      footerAt,
      `its index has ${footer.indexSize} bytes`,
      `at most ${Math.min(MAX_INDEX_SIZE, footerAt - XZ_STREAM_HEADER_SIZE)}`,
    );
  }
  const index = await parsing(
    window,
    indexAt,
    async () =>
      await decodeXzIndex(await window.read(indexAt, footer.indexSize), {
        maxBlocks,
      }),
  );
  const offset = indexAt - index.blocksSize - XZ_STREAM_HEADER_SIZE;
  if (offset < 0) {
    throw fault(
      window,
      "index",
      indexAt,
      `its blocks have ${index.blocksSize} bytes`,
      `at most ${indexAt - XZ_STREAM_HEADER_SIZE}`,
    );
  }
  // what comes before the header is the end of the stream before this one
  const header = await parsing(
    window,
    offset,
    async () =>
      await parseXzStreamHeader(
        await window.read(offset, XZ_STREAM_HEADER_SIZE, TAIL_SIZE),
      ),
  );
  if (header.check !== footer.check) {
    throw fault(
      window,
      "stream footer",
      footerAt,
      `its check is ${footer.check}`,
      `${header.check} as in the header`,
    );
  }
  return { offset, check: header.check, blocks: index.blocks };
}

/** Byte behind the last stream that ends at or before `end`: zeros are passed, 4 at a time. */
async function skipPadding(window: Window, end: number): Promise<number> {
  let at = end, size = TAIL_SIZE;
  while (at > 0) {
    if (end - at > MAX_PADDING) {
      throw fault(
        window,
        "stream padding",
        at,
        `more than ${MAX_PADDING} bytes of it`,
        "less",
      );
    }
    const start = Math.max(0, at - size);
    const bytes = await window.read(start, at - start);
    let left = bytes.length;
    while (left > 0 && bytes[left - 1] === 0) left--;
    at = start + left;
    if (left > 0) break;
    size = PADDING_READ;
  }
  if (at > 0 && (end - at) % 4 !== 0) {
    const whole = await notXz(window, "its padding is none");
    throw isCoded(whole, "xz.bad-magic") ? whole : fault(
      window,
      "stream padding",
      at,
      `${end - at} bytes of it`,
      "a multiple of 4",
    );
  }
  return at;
}

/** Why the end of the file is not that of an xz file: because it is none, or because it is cut short. */
async function notXz(window: Window, found: string): Promise<FormatError> {
  const { image } = window;
  const size = Math.min(HEADER_MAGIC.length, image.size);
  const magic = await window.read(0, size);
  const isXz = size === HEADER_MAGIC.length &&
    HEADER_MAGIC.every((byte, at) => magic[at] === byte);
  return isXz
    ? new FormatError(
      "xz.truncated",
      `Cannot open xz file "${image.name}": found no stream footer at its end, at byte ${image.size} (${found}); it may be cut short, or something else may follow it`,
      { facts: { size: image.size } },
    )
    : new FormatError(
      "xz.bad-magic",
      `Cannot open xz file "${image.name}": magic at byte 0 is "${
        [...magic].map((byte) => byte.toString(16).padStart(2, "0")).join("")
      }", expected "fd377a585a00"`,
      { facts: { size: image.size } },
    );
}

/** Says of which file and where a structure is wrong; a footer that is none means more than that. */
async function parsing<T>(
  window: Window,
  offset: number,
  parse: () => Promise<T>,
): Promise<T> {
  try {
    return await parse();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const [, what = "", rest = ""] =
      /^Cannot read xz ([a-z ]+): (.*)$/s.exec(error.message) ?? [];
    if (what === "stream footer" && /^found magic/.test(rest)) {
      const whole = await notXz(window, rest.replace(/; .*$/, ""));
      if (isCoded(whole, "xz.bad-magic")) throw whole;
      if (offset + XZ_STREAM_HEADER_SIZE === window.end) throw whole;
    }
    throw new FormatError(
      error.code,
      `Cannot read xz ${what} at byte ${offset} of "${window.image.name}": ${rest}`,
      { facts: { ...error.facts, offset }, cause: error },
    );
  }
}

function fault(
  window: Window,
  what: string,
  offset: number,
  found: string,
  expected: string,
): FormatError {
  return new FormatError(
    "xz.damaged",
    `Cannot read xz ${what} at byte ${offset} of "${window.image.name}": ${found}, expected ${expected}; the file may be damaged`,
    { facts: { offset, found, expected } },
  );
}

/** The bytes read last: structures lie side by side, and each read may be a request. */
class Window {
  readonly image: BlockReader;
  /** Byte behind the last one that is no padding, once that is known. */
  end = 0;
  readonly #options: ReadOptions;
  #start = 0;
  #bytes = new Uint8Array(0);

  constructor(image: BlockReader, options: ReadOptions) {
    this.image = image;
    this.#options = options;
  }

  /** Bytes at `offset`; where they are not there yet, up to `before` bytes before them come along. */
  async read(
    offset: number,
    size: number,
    before = 0,
  ): Promise<Uint8Array> {
    const known = offset >= this.#start &&
      offset + size <= this.#start + this.#bytes.length;
    if (!known) {
      const start = Math.max(0, offset - before);
      this.#bytes = await readExactly(
        this.image,
        start,
        offset + size - start,
        this.#options,
      );
      this.#start = start;
    }
    const at = offset - this.#start;
    return this.#bytes.subarray(at, at + size);
  }
}
