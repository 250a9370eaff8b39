interface Entry {
  readonly key: string | number;
  readonly bytes: Uint8Array;
}

/**
 * Keeps the extents or blocks decoded last, bounded by bytes; the least recently used leave first.
 *
 * Keyed by where an extent is stored. In erofs extents of several files may share one pcluster, each
 * taking the first part of it, so a longer one serves a shorter one as well.
 */
export class DecodedCache {
  readonly #maxBytes: number;
  readonly #entries = new Map<string | number, Entry>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** At least `length` bytes of the extent, or `undefined`. Must not be written to. */
  get(key: string | number, length: number): Uint8Array | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.bytes.length < length) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.bytes;
  }

  /** Keeps `bytes`, which must be the caller's to give away. */
  set(key: string | number, bytes: Uint8Array): void {
    this.#drop(this.#entries.get(key));
    if (bytes.length > this.#maxBytes) return;
    this.#entries.set(key, { key, bytes });
    this.#bytes += bytes.length;
    for (const oldest of this.#entries.values()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#drop(oldest);
    }
  }

  #drop(entry: Entry | undefined): void {
    if (entry === undefined) return;
    this.#entries.delete(entry.key);
    this.#bytes -= entry.bytes.length;
  }
}
