/**
 * Parts too large for memory, each kept in the store as it is decoded.
 *
 * @module
 */
import { abortable } from "../../block/abortable.ts";
import type { BlockReader, ClosableReader } from "../../block/reader.ts";
import { openSpooled } from "../../block/spool.ts";
import { decodedStream } from "./part_decoder.ts";
import type { Part } from "./parts.ts";
import type { DecodeOptions } from "./reader.ts";

/** Parts that are open at a time, unless more are in use. */
const MAX_OPEN = 4;

interface Open {
  readonly reader: Promise<ClosableReader>;
  users: number;
}

/** Opens parts as they are read. */
export class SpooledParts {
  readonly #image: BlockReader;
  readonly #part: (index: number) => Part;
  readonly #options: DecodeOptions;
  /** Used longest ago first. */
  readonly #open = new Map<number, Open>();

  constructor(
    image: BlockReader,
    part: (index: number) => Part,
    options: DecodeOptions,
  ) {
    this.#image = image;
    this.#part = part;
    this.#options = options;
  }

  /** Calls `read` with the reader of a part, which stays open until that ends. */
  async use<T>(
    index: number,
    read: (reader: ClosableReader) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const open = this.#open.get(index) ?? this.#spool(index);
    this.#open.delete(index);
    this.#open.set(index, open);
    open.users++;
    try {
      return await read(await abortable(open.reader, signal));
    } finally {
      open.users--;
      this.#shrink();
    }
  }

  async close(): Promise<void> {
    const all = [...this.#open.values()];
    this.#open.clear();
    await Promise.allSettled(
      all.map(async ({ reader }) => await (await reader).close()),
    );
  }

  #spool(index: number): Open {
    const image = this.#image;
    const part = this.#part(index);
    const { store, onProgress, pool } = this.#options;
    const { format } = part.spec;
    const reader = openSpooled({
      key: {
        identity: `${image.identity}|${format}:${part.offset}+${part.size}`,
        name: `${image.name} (${format}${part.name && ` ${part.name}`})`,
        size: part.contentSize,
      },
      source: (signal) => decodedStream(image, part, pool, signal),
      store,
      onProgress,
    });
    const open = { reader, users: 0 };
    reader.catch(() => {
      if (this.#open.get(index) === open) this.#open.delete(index);
    });
    return open;
  }

  #shrink(): void {
    for (const [index, { reader, users }] of this.#open) {
      if (this.#open.size <= MAX_OPEN) return;
      if (users > 0) continue;
      this.#open.delete(index);
      reader.then((open) => open.close()).catch(() => {});
    }
  }
}
