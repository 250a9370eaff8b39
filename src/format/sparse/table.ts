/**
 * What the chunks of a sparse image say: where each run of content lies in the file.
 *
 * @module
 */

/** Room for runs at first; doubled when it is full. */
const FIRST_ROOM = 64;
/** Stands for a run that is not in the file, but filled. */
const FILLED = -1;

/** A run of content, or the part of one. */
export interface Run {
  /** Byte of the content. */
  readonly start: number;
  /** Bytes. */
  readonly size: number;
  /** Byte of the file; `undefined` when it is filled. */
  readonly source: number | undefined;
  /** The four bytes that fill it, as a little-endian number. */
  readonly fill: number;
}

/** Runs in the order of the content. 20 bytes each: there may be a million. */
export class RunTable {
  #starts = new Float64Array(FIRST_ROOM);
  #sources = new Float64Array(FIRST_ROOM);
  #fills = new Uint32Array(FIRST_ROOM);
  #count = 0;
  /** Bytes of content so far. */
  size = 0;

  /** Runs kept: neighbours that are filled alike are one. */
  get count(): number {
    return this.#count;
  }

  /** Adds content that lies at byte `source` of the file. */
  addRaw(source: number, size: number): void {
    this.#add(source, 0, size);
  }

  /** Adds content that is filled with four bytes. */
  addFill(fill: number, size: number): void {
    const last = this.#count - 1;
    const same = this.#sources[last] === FILLED && this.#fills[last] === fill;
    if (last >= 0 && same) this.size += size;
    else this.#add(FILLED, fill, size);
  }

  /** The runs that hold the `size` bytes from `offset`, cut to them. All of them must be there. */
  *within(offset: number, size: number): Generator<Run> {
    const end = offset + size;
    for (let at = offset, i = this.#find(offset); at < end; i++) {
      const start = this.#starts[i]!;
      const next = i + 1 < this.#count ? this.#starts[i + 1]! : this.size;
      const source = this.#sources[i]!;
      const stop = Math.min(next, end);
      yield {
        start: at,
        size: stop - at,
        source: source === FILLED ? undefined : source + at - start,
        fill: this.#fills[i]!,
      };
      at = stop;
    }
  }

  #add(source: number, fill: number, size: number): void {
    if (size === 0) return;
    if (this.#count === this.#starts.length) {
      this.#starts = doubled(this.#starts, Float64Array);
      this.#sources = doubled(this.#sources, Float64Array);
      this.#fills = doubled(this.#fills, Uint32Array);
    }
    this.#starts[this.#count] = this.size;
    this.#sources[this.#count] = source;
    this.#fills[this.#count] = fill;
    this.#count++;
    this.size += size;
  }

  /** Index of the last run that begins at or before `offset`. */
  #find(offset: number): number {
    let low = 0;
    let high = this.#count;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return low;
  }
}

function doubled<T extends Float64Array | Uint32Array>(
  values: T,
  Type: { new (length: number): T },
): T {
  const larger = new Type(values.length * 2);
  larger.set(values);
  return larger;
}
