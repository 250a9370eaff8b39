import type { BlockReader, ReadOptions } from "./reader.ts";
import { clampRead } from "./range.ts";

/** What went through a {@linkcode RecordingReader}. */
export interface ReadReport {
  /** Reads asked for, whatever became of them. */
  requests: number;
  /** Bytes asked for that the reader has. */
  bytes: number;
  /** Each read in the order of asking; `length` is clipped at the end of the reader. */
  ranges: { offset: number; length: number }[];
}

/** A reader that keeps account of its reads. */
export interface RecordingReader extends BlockReader {
  /** Grows with every read. */
  readonly report: ReadReport;
  /** Begins the account anew. */
  reset(): void;
}

/**
 * Counts the reads that reach `reader`, so that a test can say how little was read.
 *
 * Reads are passed on as they are. The list of ranges is not bounded: meant for tests.
 *
 * @example
 * ```ts
 * import { openMemory } from "./memory.ts";
 * import { withRecord } from "./record.ts";
 *
 * const reader = withRecord(openMemory(new Uint8Array(4096)));
 * await reader.read(0, new Uint8Array(512));
 * console.assert(reader.report.requests === 1 && reader.report.bytes === 512);
 * ```
 */
export function withRecord(reader: BlockReader): RecordingReader {
  const report: ReadReport = { requests: 0, bytes: 0, ranges: [] };
  return {
    blockSize: reader.blockSize,
    size: reader.size,
    name: reader.name,
    identity: reader.identity,
    report,
    reset(): void {
      report.requests = report.bytes = 0;
      report.ranges = [];
    },
    async read(
      offset: number,
      into: Uint8Array,
      options?: ReadOptions,
    ): Promise<number> {
      const length = clampRead(reader.size, offset, into.length);
      report.requests++;
      report.bytes += length;
      report.ranges.push({ offset, length });
      return await reader.read(offset, into, options);
    },
  };
}
