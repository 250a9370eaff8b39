/**
 * The allocation table: which cluster follows which.
 *
 * @module
 */

import { type Extent, joinExtents } from "../../block/extents.ts";
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { Weighted } from "../../fs/weighted.ts";
import type { FatVolume } from "./boot_sector.ts";
import { fatError } from "./errors.ts";

/** Bytes of the table that are read together: at least, and at most when a long chain is expected. */
const MIN_WINDOW = 16 << 10;
const MAX_WINDOW = 1 << 20;
/** Runs of clusters that are remembered, of all chains together. */
const KEPT_RUNS = 65536;

/** A part of the table in memory. */
interface Window {
  /** First entry, and the one behind the last. */
  readonly first: number;
  readonly end: number;
  /** Byte of the table at which `bytes` begins. */
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** Follows chains of clusters. */
export class AllocationTable {
  readonly #metadata: BlockReader;
  readonly #volume: FatVolume;
  readonly #chains = new Weighted<string, readonly Extent[]>(KEPT_RUNS);

  /** @param metadata The image, through a cache. */
  constructor(metadata: BlockReader, volume: FatVolume) {
    this.#metadata = metadata;
    this.#volume = volume;
  }

  /**
   * The clusters of a file, as extents of the image; only as many as its size needs.
   *
   * Costs one read for each MiB of table that a file in one piece needs, so nearly always one.
   *
   * @param what For messages.
   * @throws {FormatError} `fat.damaged` when the chain ends before `size` does, leaves the table, or
   * comes back to itself; `fat.truncated` when a cluster lies behind the end of the image
   */
  async fileExtents(
    what: string,
    first: number,
    size: number,
    options?: ReadOptions,
  ): Promise<readonly Extent[]> {
    const { clusterSize } = this.#volume;
    if (size === 0) return [];
    const count = Math.ceil(size / clusterSize);
    const key = `${first}/${count}`;
    let runs = this.#chains.get(key);
    if (runs === undefined) {
      runs = await this.#follow(what, first, count, false, options);
      this.#chains.set(key, runs, runs.length);
    }
    const rest = count * clusterSize - size;
    if (rest === 0) return runs;
    const last = runs.at(-1)!;
    return [...runs.slice(0, -1), { ...last, size: last.size - rest }];
  }

  /**
   * All clusters of a directory, as extents of the image.
   *
   * @param maxSize Bytes, more is damage.
   */
  async directoryExtents(
    what: string,
    first: number,
    maxSize: number,
    options?: ReadOptions,
  ): Promise<readonly Extent[]> {
    const key = `${first}`;
    const kept = this.#chains.get(key);
    if (kept !== undefined) return kept;
    // one more than allowed: to see whether there is one
    const most = Math.ceil(maxSize / this.#volume.clusterSize) + 1;
    const runs = await this.#follow(what, first, most, true, options);
    this.#chains.set(key, runs, runs.length);
    return runs;
  }

  /**
   * @param count Clusters wanted; of a directory, the number that is one too many.
   * @param toEnd Whether the chain is of a directory, which ends where the table says.
   */
  async #follow(
    what: string,
    first: number,
    count: number,
    toEnd: boolean,
    options?: ReadOptions,
  ): Promise<readonly Extent[]> {
    const { clusterCount, clusterSize, dataStart } = this.#volume;
    const { name } = this.#metadata;
    if (!toEnd && count > clusterCount) {
      const found =
        `it has ${count} clusters, expected at most the ${clusterCount} of the file system`;
      throw fatError("fat.damaged", name, what, found, { clusters: count });
    }
    const runs: { first: number; count: number }[] = [];
    let window: Window | undefined;
    let cluster = first;
    let found = 0;
    for (;;) {
      if (cluster < 2 || cluster >= clusterCount + 2) {
        const at = found === 0 ? "it begins" : `its chain goes on`;
        throw fatError(
          "fat.damaged",
          name,
          what,
          `${at} at cluster ${cluster}, expected 2 to ${clusterCount + 1}`,
          { cluster },
        );
      }
      const run = runs.at(-1);
      if (run !== undefined && run.first + run.count === cluster) run.count++;
      else runs.push({ first: cluster, count: 1 });
      if (++found === count && !toEnd) break;
      if (found >= Math.min(count, clusterCount + 1)) {
        throw fatError(
          "fat.damaged",
          name,
          what,
          `its chain has more than ${found - 1} clusters`,
          { cluster },
        );
      }
      if (
        window === undefined || cluster < window.first || cluster >= window.end
      ) {
        const expected = toEnd ? 1 : count - found;
        window = await this.#read(cluster, expected, options);
      }
      const next = this.#entry(window, cluster);
      if (this.#isEnd(next)) {
        if (toEnd) break;
        throw fatError(
          "fat.damaged",
          name,
          what,
          `its chain ends after ${found} clusters of ${clusterSize} bytes, expected ${count}`,
          { cluster, found, expected: count },
        );
      }
      cluster = next;
    }
    refuseLoop(name, what, runs);
    const extents = runs.map((run) => ({
      offset: dataStart + (run.first - 2) * clusterSize,
      size: run.count * clusterSize,
    }));
    return joinExtents(extents);
  }

  /** Reads the entry of `cluster` and, as far as the chain is expected to go on behind it, more. */
  async #read(
    cluster: number,
    expected: number,
    options?: ReadOptions,
  ): Promise<Window> {
    const { bits, clusterCount, tableStart } = this.#volume;
    const tableEnd = Math.ceil((clusterCount + 2) * bits / 8);
    // FAT12, whose entries straddle bytes, is one window; the start of the others is aligned.
    const entryStart = Math.floor(cluster * bits / 8);
    const start = Math.floor(entryStart / MIN_WINDOW) * MIN_WINDOW;
    const expectedEnd = entryStart + Math.ceil(expected * bits / 8);
    const end = Math.min(
      Math.max(start + MIN_WINDOW, expectedEnd),
      start + MAX_WINDOW,
      tableEnd,
    );
    const { name, size: imageSize } = this.#metadata;
    if (tableStart + end > imageSize) {
      const found =
        `it ends at byte ${imageSize}, expected the table up to byte ${
          tableStart + end
        }`;
      throw fatError("fat.truncated", name, "allocation table", found, {
        size: imageSize,
      });
    }
    const bytes = await readExactly(
      this.#metadata,
      tableStart + start,
      end - start,
      options,
    );
    return {
      first: start * 8 / bits,
      end: Math.floor(end * 8 / bits),
      start,
      bytes,
    };
  }

  #entry({ start, bytes }: Window, cluster: number): number {
    const { bits } = this.#volume;
    const at = Math.floor(cluster * bits / 8) - start;
    const low = bytes[at]! | bytes[at + 1]! << 8;
    if (bits === 16) return low;
    if (bits === 12) return cluster & 1 ? low >> 4 : low & 0xfff;
    // the upper 4 bits are reserved
    return low | (bytes[at + 2]! | (bytes[at + 3]! & 0xf) << 8) << 16;
  }

  #isEnd(entry: number): boolean {
    return entry >= 2 ** Math.min(this.#volume.bits, 28) - 8;
  }
}

/** No cluster can belong twice to one chain. */
function refuseLoop(
  name: string,
  what: string,
  runs: readonly { first: number; count: number }[],
): void {
  if (runs.length < 2) return;
  const sorted = [...runs].sort((a, b) => a.first - b.first);
  for (const [index, { first, count }] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next !== undefined && next.first < first + count) {
      throw fatError(
        "fat.damaged",
        name,
        what,
        `cluster ${next.first} is in its chain twice`,
        { cluster: next.first },
      );
    }
  }
}
