import type {
  Entry,
  ReadableReader,
} from "@zip.js/zip.js/lib/zip-core-reader.js";
import { clampRead } from "../../block/range.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { fillExactly, readExactly } from "../../block/read_exactly.ts";
import { type ErrorCode, FormatError } from "../../errors.ts";

/** Most bytes of a directory: about 800,000 entries. */
const MAX_DIRECTORY = 64 << 20;
/** End record, and the longest comment behind it. */
const TAIL_BYTES = 22 + 65535;
/** What is read up to what is there already, to have it at hand. */
const MOST_AT_ONCE = 8 << 20;

/** An error of the archive, in the project's form. */
export function zipError(
  image: BlockReader,
  code: ErrorCode,
  found: string,
  facts: Record<string, number | string | undefined> = {},
  cause?: unknown,
): FormatError {
  return new FormatError(
    code,
    `Cannot read ZIP archive "${image.name}": ${found}`,
    {
      facts: { name: image.name, ...facts },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

/**
 * Gives the entries of the central directory, as zip.js reads them. It is used for nothing else: no
 * content goes through it, so that it needs neither workers nor codecs of its own.
 *
 * The last 64 KiB are 1 read; a directory that begins before them is 1 more, or 2 beyond 8 MiB.
 *
 * @throws {FormatError} `zip.bad-magic`, `zip.truncated`, `zip.damaged`, `zip.unsupported-feature`,
 * `zip.directory-too-large`
 */
export async function* readDirectory(
  image: BlockReader,
  options: ReadOptions,
): AsyncGenerator<Entry, void, undefined> {
  // late: 60 KiB of code that most never need
  const zip = await import("@zip.js/zip.js/lib/zip-core-reader.js");
  const access = new Access(image, options);
  const reader = new zip.ZipReader(access as unknown as ReadableReader, {
    // names are judged one by one, when they are opened
    filenameValidation: "tolerant",
    useWebWorkers: false,
  });
  const entries = reader.getEntriesGenerator();
  for (;;) {
    let next: IteratorResult<Entry, boolean>;
    try {
      next = await entries.next();
    } catch (error) {
      // what a read failed with goes through as it is
      if (access.failed) throw access.failure;
      throw await translate(image, zip, error, options);
    }
    if (next.done) return;
    yield next.value;
  }
}

/** The archive as zip.js wants it: `size`, and copies of ranges, cut at the end. */
class Access {
  readonly size: number;
  failed = false;
  failure: unknown;
  readonly #image: BlockReader;
  readonly #options: ReadOptions;
  /** The end of the archive, as far as it was read. */
  #tailAt: number;
  #tail = new Uint8Array(0);

  constructor(image: BlockReader, options: ReadOptions) {
    this.#image = image;
    this.#options = options;
    this.size = image.size;
    this.#tailAt = image.size;
  }

  async readUint8Array(offset: number, length: number): Promise<Uint8Array> {
    try {
      return await this.#read(offset, length);
    } catch (error) {
      this.failed = true;
      this.failure = error;
      throw error;
    }
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    const image = this.#image;
    // numbers out of the archive, which zip.js passes on as they are
    if (
      !(offset >= 0 && length >= 0) || !Number.isSafeInteger(offset + length)
    ) {
      throw zipError(
        image,
        "zip.damaged",
        `it leads to ${length} bytes at byte ${offset}; the archive is damaged`,
      );
    }
    const count = clampRead(image.size, offset, length);
    if (count > MAX_DIRECTORY) {
      throw zipError(
        image,
        "zip.directory-too-large",
        `its directory at byte ${offset} has ${count} bytes, expected at most ${MAX_DIRECTORY}; unpack it first`,
        { offset, size: count },
      );
    }
    if (offset >= image.size) return new Uint8Array(0);
    // A mark is looked for where the directory begins, then all of that is wanted: as one read.
    const least = Math.max(0, image.size - TAIL_BYTES);
    const start = Math.min(offset, least);
    const missing = this.#tailAt - start;
    if (missing > 0 && missing <= MOST_AT_ONCE) {
      const tail = new Uint8Array(image.size - start);
      const before = tail.subarray(0, missing);
      await fillExactly(image, start, before, this.#options);
      tail.set(this.#tail, missing);
      this.#tail = tail;
      this.#tailAt = start;
    }
    const at = offset - this.#tailAt;
    if (at >= 0) return this.#tail.slice(at, at + count);
    return await readExactly(image, offset, count, this.#options);
  }
}

type ZipModule = typeof import("@zip.js/zip.js/lib/zip-core-reader.js");

/** An error of zip.js, whose messages say what but not where. */
async function translate(
  image: BlockReader,
  zip: ZipModule,
  error: unknown,
  options: ReadOptions,
): Promise<FormatError> {
  const said = error instanceof Error ? error.message : String(error);
  const reason = (error as { reason?: string } | null)?.reason;
  const tell = (code: ErrorCode, found: string) =>
    zipError(image, code, found, { reason: reason ?? said }, error);
  switch (said) {
    case zip.ERR_EOCDR_NOT_FOUND:
    case zip.ERR_BAD_FORMAT: {
      const size = Math.min(4, image.size);
      const start = await readExactly(image, 0, size, options);
      const begins = start[0] === 0x50 && start[1] === 0x4b;
      return begins
        ? tell(
          "zip.truncated",
          "there is no directory at its end; it is cut short or damaged",
        )
        : tell(
          "zip.bad-magic",
          `there is no end record in its last ${TAIL_BYTES} bytes; the file holds something else`,
        );
    }
    case zip.ERR_SPLIT_ZIP_FILE:
      return tell(
        "zip.unsupported-feature",
        "it is one of several parts; join them by zip -s 0",
      );
    case zip.ERR_ENCRYPTED_CENTRAL_DIRECTORY:
      return tell(
        "zip.unsupported-feature",
        "its directory is encrypted; unpack it first",
      );
  }
  const what = reason === undefined ? said : `${said}, ${reason}`;
  return tell("zip.damaged", `${what}; the archive is damaged`);
}
