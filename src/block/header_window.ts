import { readExactly } from "./read_exactly.ts";
import type { BlockReader, ReadOptions } from "./reader.ts";

const FIRST_WINDOW = 64 << 10;
const LEAST_WINDOW = 4 << 10;
const MOST_WINDOW = 1 << 20;
/** Reads after which it is worth asking how far headers are apart. */
const MANY_READS = 32;
/** Below this, on average, going on through the data takes less time than a request for each header. */
const NEAR = 256 << 10;

/**
 * Reads headers of which each says where the next one is, such as those of chunks and archives: a
 * window of the bytes read last. The next read is larger where the next header is close behind them,
 * smaller where it is far, 4 KiB to 1 MiB; it is large in any case where there are many headers that
 * are not far apart.
 */
export class HeaderWindow {
  readonly #image: BlockReader;
  readonly #options: ReadOptions;
  #offset = 0;
  #bytes = new Uint8Array(0);
  #size = FIRST_WINDOW;
  #headers = 0;
  #reads = 0;

  constructor(image: BlockReader, options: ReadOptions) {
    this.#image = image;
    this.#options = options;
  }

  /** Bytes that are at hand. */
  held(offset: number, size: number): Uint8Array | undefined {
    const at = offset - this.#offset;
    if (at < 0 || at + size > this.#bytes.length) return undefined;
    this.#headers++;
    return this.#bytes.subarray(at, at + size);
  }

  /** Reads on from `offset`; gives `size` bytes, fewer only at the end of the image. */
  async take(offset: number, size: number): Promise<Uint8Array> {
    const near = this.#reads++ >= MANY_READS && offset / this.#headers < NEAR;
    const jump = offset - this.#offset - this.#bytes.length;
    if (near) this.#size = MOST_WINDOW;
    else if (jump > this.#size) {
      this.#size = Math.max(this.#size / 4, LEAST_WINDOW);
    } else if (offset > 0) {
      this.#size = Math.min(this.#size * 2, MOST_WINDOW);
    }
    this.#headers++;
    const length = Math.min(
      Math.max(size, this.#size),
      this.#image.size - offset,
    );
    this.#offset = offset;
    this.#bytes = await readExactly(this.#image, offset, length, this.#options);
    return this.#bytes.subarray(0, size);
  }
}
