import { onAbort } from "../../block/abortable.ts";
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";

/** Bytes as stored, in the image. */
export interface StoredRange {
  readonly start: number;
  readonly end: number;
}

/** Most bytes under way for one read, the range that is waited for included. */
const MAX_UNDER_WAY = 8 << 20;

/**
 * The ranges that one read of a file needs, one after another, several of them under way at once: what
 * is far away should be asked for before it is waited for. Nothing is asked for that is not needed.
 */
export class StoredAhead {
  readonly #reader: BlockReader;
  readonly #options: ReadOptions | undefined;
  readonly #underWay = new Map<
    number,
    { readonly end: number; readonly bytes: Promise<Uint8Array> }
  >();
  #controller: AbortController | undefined;
  #forget: (() => void) | undefined;

  constructor(reader: BlockReader, options: ReadOptions | undefined) {
    this.#reader = reader;
    this.#options = options;
  }

  /**
   * The bytes of `range`.
   *
   * @param following Ranges that will be asked for next, in their order; only as many as fit are taken.
   */
  async take(
    range: StoredRange,
    following: Iterable<StoredRange>,
  ): Promise<Uint8Array> {
    const { start, end } = range;
    const known = this.#underWay.get(start);
    this.#underWay.delete(start);
    const bytes = known !== undefined && known.end >= end
      ? known.bytes
      : readExactly(this.#reader, start, end - start, this.#options);
    let total = end - start;
    for (const next of following) {
      total += next.end - next.start;
      if (total > MAX_UNDER_WAY) break;
      if (!this.#underWay.has(next.start)) this.#ask(next);
    }
    const all = await bytes;
    return all.length === end - start ? all : all.subarray(0, end - start);
  }

  /** Ends what is still under way: the read is over. */
  close(): void {
    this.#forget?.();
    this.#controller?.abort();
  }

  #ask({ start, end }: StoredRange): void {
    const outer = this.#options?.signal;
    const controller = this.#controller ??= new AbortController();
    if (outer !== undefined) {
      this.#forget ??= onAbort(outer, () => controller.abort(outer.reason));
    }
    const { signal } = controller;
    const bytes = readExactly(this.#reader, start, end - start, { signal });
    // Whoever waits for it sees how it failed; when nobody does any more, nobody needs to.
    bytes.catch(() => {});
    this.#underWay.set(start, { end, bytes });
  }
}
