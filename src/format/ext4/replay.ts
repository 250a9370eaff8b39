import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { featureNames, INCOMPAT_RECOVER } from "./features.ts";
import type { Ext4Image } from "./image.ts";
import { emptiedSuperblock, journalError, openJournal } from "./journal.ts";
import { JBD2_MAGIC_NUMBER } from "./journal_layout.ts";
import { readLog } from "./journal_log.ts";
import {
  SUPERBLOCK_OFFSET,
  SUPERBLOCK_SIZE,
  SuperblockLayout,
} from "./layout.ts";
import { type Patch, withMovedBlocks } from "./overlay.ts";
import type { Run } from "./runs.ts";
import { superblockChecksum } from "./superblock.ts";

/**
 * The image as it is once its journal was put in place: the blocks that the log has newer content of
 * are read from there, the journal is empty and no recovery is asked for. Nothing is copied: memory is
 * taken for the numbers of such blocks only.
 *
 * Reads the log once, 1 MiB at a time.
 *
 * @throws {FormatError} `ext4.journal-damaged`, `ext4.journal-too-large`,
 * `ext4.journal-unsupported`, `ext4.journal-external`, `ext4.journal-fast-commit`
 */
export async function replayJournal(
  image: Ext4Image,
  options?: ReadOptions,
): Promise<BlockReader> {
  const { crc, data } = image;
  const { blockSize, blockCount } = image.superblock;
  const journal = await openJournal(image, options);
  const log = await readLog(journal, blockCount, options);

  const runs = await journal.findRuns(0, journal.end, options);
  const placeOf = (at: number): number => {
    const run = runs[lastAtOrBefore(runs, at)];
    if (run === undefined || run.start === 0) {
      throw journalError(
        data,
        "ext4.journal-damaged",
        `block ${at} of it is not stored`,
        { block: at },
      );
    }
    return run.start + at - run.first;
  };
  const moved = new Map<number, number>();
  const patches: Patch[] = [];
  for (const [block, { at, escaped }] of log.blocks) {
    moved.set(block, placeOf(at));
    if (escaped) patches.push({ offset: block * blockSize, bytes: MAGIC });
  }
  const overlay = withMovedBlocks(data, { blockSize, moved, patches });
  const bytes = await readExactly(
    overlay,
    SUPERBLOCK_OFFSET,
    SUPERBLOCK_SIZE,
    options,
  );
  const raw = SuperblockLayout.read(bytes);
  const incompat = (raw.incompat & ~INCOMPAT_RECOVER) >>> 0;
  SuperblockLayout.write({ ...raw, incompat }, bytes);
  // its own features: the log may hold a newer superblock than the image
  if (featureNames(raw).includes("metadata_csum")) {
    const checksum = superblockChecksum(bytes, crc);
    SuperblockLayout.write({ ...raw, incompat, checksum }, bytes);
  }
  patches.push({ offset: SUPERBLOCK_OFFSET, bytes }, {
    offset: placeOf(0) * blockSize,
    bytes: emptiedSuperblock(journal, log.nextSequence),
  });
  return withMovedBlocks(data, { blockSize, moved, patches });
}

/** Index of the run that `block` is in. */
function lastAtOrBefore(runs: readonly Run[], block: number): number {
  let low = 0;
  let high = runs.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (runs[middle]!.first <= block) low = middle;
    else high = middle;
  }
  return low;
}

const MAGIC = new Uint8Array(4);
new DataView(MAGIC.buffer).setUint32(0, JBD2_MAGIC_NUMBER);
