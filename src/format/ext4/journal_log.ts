/**
 * The log of a journal: which of its blocks take the place of which blocks of the image, found the
 * way fs/jbd2/recovery.c of Linux 6.12 does.
 *
 * @module
 */

import { readExactly } from "../../block/read_exactly.ts";
import type { ReadOptions } from "../../block/reader.ts";
import { crc32BigEndian, CRC_START } from "./checksum.ts";
import { hex } from "./image.ts";
import { type Journal, journalError } from "./journal.ts";
import * as jbd2 from "./journal_layout.ts";

/** Where the newest content of a block is. */
export interface LoggedBlock {
  /** Block of the journal. */
  readonly at: number;
  /** It begins with the magic of journals, which is not in the log. */
  readonly escaped: boolean;
}

/** What a log comes to. */
export interface Log {
  /** By number of a block of the image. */
  readonly blocks: ReadonlyMap<number, LoggedBlock>;
  /** Transactions that are whole. */
  readonly transactions: number;
  /** Number of the transaction that comes next. */
  readonly nextSequence: number;
}

interface Tag extends LoggedBlock {
  readonly block: number;
  /** Its content fits its sum. */
  readonly good: boolean;
}

/** Bytes of the log that are read together. */
const WINDOW = 1 << 20;
/** Most bytes of log, the largest that mke2fs makes, and most numbers of revoked blocks. */
const MAX_LOG_BYTES = 1 << 30;
const MAX_REVOKED = 1 << 22;
/** Bytes at the end of a block with tags or revoked numbers: its CRC-32C. */
const TAIL_SIZE = 4;
/** Bytes of an UUID in a list of tags. */
const UUID_SIZE = 16;
/** Tag of `struct ext4_fc_head`, which begins fast commits. */
const FC_TAG_HEAD = 9;

/**
 * Reads the log from its start to its last whole transaction, 1 MiB at a time.
 *
 * @param blockCount Blocks of the image.
 * @throws {FormatError} `ext4.journal-damaged`, `ext4.journal-too-large`,
 * `ext4.journal-fast-commit`
 */
export async function readLog(
  journal: Journal,
  blockCount: number,
  options?: ReadOptions,
): Promise<Log> {
  if (journal.start === 0) {
    return {
      blocks: new Map(),
      transactions: 0,
      nextSequence: journal.sequence,
    };
  }
  return await new LogReader(journal, blockCount, options).read();
}

class LogReader {
  readonly #journal: Journal;
  readonly #blockCount: number;
  readonly #options: ReadOptions | undefined;
  #window = new Uint8Array(0);
  #windowAt = 0;
  #position: number;
  #visited = 0;
  #sequence: number;

  /** The transaction that is being read. */
  #tags: Tag[] = [];
  #revokes: number[] = [];
  #sum = CRC_START;
  #suspect: string | undefined;

  readonly #committed: Tag[][] = [];
  /** By block, the last transaction after which what was logged before does not count. */
  readonly #revokedAt = new Map<number, number>();

  constructor(journal: Journal, blockCount: number, options?: ReadOptions) {
    this.#journal = journal;
    this.#blockCount = blockCount;
    this.#options = options;
    this.#position = journal.start;
    this.#sequence = journal.sequence;
  }

  async read(): Promise<Log> {
    let lastTime = 0;
    for (;;) {
      const at = this.#position;
      const block = await this.#next();
      const { magic, type, sequence } = jbd2.BlockHeader.read(block);
      if (magic !== jbd2.JBD2_MAGIC_NUMBER || sequence !== this.#sequence) {
        break;
      }
      if (type === jbd2.JBD2_DESCRIPTOR_BLOCK) {
        await this.#descriptor(at, block);
      } else if (type === jbd2.JBD2_REVOKE_BLOCK) this.#revoke(at, block);
      else if (type === jbd2.JBD2_COMMIT_BLOCK) {
        const commit = jbd2.CommitBlock.read(block);
        const time = commit.secondsHigh * 2 ** 32 + commit.secondsLow;
        const wrong = this.#suspect ?? this.#judgeCommit(at, block);
        if (wrong !== undefined) {
          // blocks of an older round, which only look as if they went on: the log ends before them
          const older = time < lastTime;
          if (older || (this.#journal.asyncCommit && !this.#suspect)) break;
          throw this.#damaged(wrong, at);
        }
        lastTime = time;
        this.#commit();
      } else break;
    }
    await this.#refuseFastCommits();
    return {
      blocks: this.#replay(),
      transactions: this.#committed.length,
      nextSequence: this.#sequence,
    };
  }

  /** The block at the position, which moves on around the ring. */
  async #next(): Promise<Uint8Array> {
    const { blockSize, first, end, content } = this.#journal;
    const position = this.#position;
    if (++this.#visited > end - first) {
      throw this.#damaged("its log has no end", position);
    }
    if (this.#visited * blockSize > MAX_LOG_BYTES) {
      throw journalError(
        this.#journal,
        "ext4.journal-too-large",
        `its log has more than ${MAX_LOG_BYTES} bytes`,
        { limit: MAX_LOG_BYTES },
      );
    }
    let from = (position - this.#windowAt) * blockSize;
    if (from < 0 || from >= this.#window.length) {
      const size = Math.min(
        Math.max(WINDOW, blockSize),
        (end - position) * blockSize,
      );
      this.#window = await readExactly(
        content,
        position * blockSize,
        size,
        this.#options,
      );
      this.#windowAt = position;
      from = 0;
    }
    this.#position = position + 1 < end ? position + 1 : first;
    return this.#window.subarray(from, from + blockSize);
  }

  /** A list of tags, and the content of the block of each. */
  async #descriptor(at: number, block: Uint8Array): Promise<void> {
    const { sums } = this.#journal;
    this.#judgeTail(at, block);
    this.#sum = sums === "crc32" ? crc32BigEndian(this.#sum, block) : 0;
    // the block's memory is that of a window, which reading content may replace
    for (const tag of this.#parseTags(block.slice())) {
      const at = this.#position;
      const content = await this.#next();
      if (sums === "crc32") this.#sum = crc32BigEndian(this.#sum, content);
      this.#tags.push({
        at,
        block: tag.block,
        escaped: (tag.flags & jbd2.FLAG_ESCAPE) !== 0,
        good: this.#fits(content, tag.checksum),
      });
    }
  }

  *#parseTags(
    block: Uint8Array,
  ): Generator<{ block: number; flags: number; checksum: number }> {
    const { sums, wide } = this.#journal;
    const tag3 = sums === "v3";
    const size = tag3
      ? jbd2.Tag3.size
      : jbd2.Tag.size + (wide ? 4 : 0) + (sums === "v2" ? 2 : 0);
    const end = block.length - (this.#hasTails() ? TAIL_SIZE : 0);
    const view = new DataView(block.buffer, block.byteOffset, block.length);
    for (let at = jbd2.BlockHeader.size; at + size <= end;) {
      const tag = tag3 ? jbd2.Tag3.read(block, at) : jbd2.Tag.read(block, at);
      const high = wide ? view.getUint32(at + 8) : 0;
      yield {
        block: tag.blockLow + high * 2 ** 32,
        flags: tag.flags,
        checksum: tag.checksum,
      };
      if (tag.flags & jbd2.FLAG_LAST_TAG) return;
      at += size + (tag.flags & jbd2.FLAG_SAME_UUID ? 0 : UUID_SIZE);
    }
  }

  /** Numbers of blocks of which older content in the log does not count. */
  #revoke(at: number, block: Uint8Array): void {
    this.#judgeTail(at, block);
    const view = new DataView(block.buffer, block.byteOffset, block.length);
    const end = view.getUint32(jbd2.BlockHeader.size);
    const size = this.#journal.wide ? 8 : 4;
    if (end > block.length - (this.#hasTails() ? TAIL_SIZE : 0)) {
      this.#suspect ??= `its revoked blocks take ${end} bytes of one`;
      return;
    }
    for (let at = jbd2.BlockHeader.size + 4; at + size <= end; at += size) {
      const high = size === 8 ? view.getUint32(at) * 2 ** 32 : 0;
      this.#revokes.push(high + view.getUint32(at + size - 4));
    }
    if (this.#revokedAt.size + this.#revokes.length > MAX_REVOKED) {
      throw journalError(
        this.#journal,
        "ext4.journal-too-large",
        `it revokes more than ${MAX_REVOKED} blocks`,
        { limit: MAX_REVOKED },
      );
    }
  }

  #commit(): void {
    const number = this.#committed.length;
    for (const block of this.#revokes) this.#revokedAt.set(block, number);
    this.#committed.push(this.#tags);
    this.#tags = [];
    this.#revokes = [];
    this.#sum = CRC_START;
    this.#sequence = (this.#sequence + 1) >>> 0;
  }

  /** The last content of each block that was not revoked later. */
  #replay(): Map<number, LoggedBlock> {
    const blocks = new Map<number, LoggedBlock>();
    for (const [number, tags] of this.#committed.entries()) {
      for (const { block, at, escaped, good } of tags) {
        if ((this.#revokedAt.get(block) ?? -1) >= number) continue;
        if (!good) {
          throw this.#damaged(
            `content of block ${block} does not fit its check sum`,
            at,
          );
        }
        if (block >= this.#blockCount) {
          throw this.#damaged(
            `it has content for block ${block}, expected less than ${this.#blockCount}`,
            at,
          );
        }
        blocks.set(block, { at, escaped });
      }
    }
    return blocks;
  }

  #hasTails(): boolean {
    return this.#journal.sums === "v2" || this.#journal.sums === "v3";
  }

  /** Notes a block of tags or revoked numbers whose sum is wrong: its commit block decides. */
  #judgeTail(at: number, block: Uint8Array): void {
    if (!this.#hasTails()) return;
    const { crc, checksumSeed } = this.#journal;
    const tail = block.length - TAIL_SIZE;
    const expected = crc.sumU32(
      crc.sum(checksumSeed, block.subarray(0, tail)),
      0,
    );
    const found = new DataView(block.buffer, block.byteOffset).getUint32(tail);
    if (found === expected) return;
    this.#suspect ??= `check sum of block ${at} is ${hex(found)}, expected ${
      hex(expected)
    }`;
  }

  /** Whether content fits the sum in its tag. */
  #fits(content: Uint8Array, found: number): boolean {
    if (!this.#hasTails()) return true;
    const { crc, checksumSeed, sums } = this.#journal;
    const number = new Uint8Array(4);
    new DataView(number.buffer).setUint32(0, this.#sequence);
    const expected = crc.sum(crc.sum(checksumSeed, number), content);
    return found === (sums === "v2" ? expected & 0xffff : expected);
  }

  /** What is wrong with a commit block; `undefined` when nothing is. */
  #judgeCommit(at: number, block: Uint8Array): string | undefined {
    const { sums, crc, checksumSeed } = this.#journal;
    const { checksum, checksumType, checksumSize } = jbd2.CommitBlock.read(
      block,
    );
    if (sums === "none") return undefined;
    let expected: number;
    if (sums === "crc32") {
      const none = checksumType === 0 && checksumSize === 0 && checksum === 0;
      const fits = checksumType === jbd2.JBD2_CRC32_CHKSUM &&
        checksumSize === 4 && checksum === this.#sum;
      if (none || fits) return undefined;
      expected = this.#sum;
    } else {
      const field = jbd2.CommitBlock.offsets.checksum;
      expected = crc.sumU32(
        crc.sum(checksumSeed, block.subarray(0, field)),
        0,
      );
      expected = crc.sum(expected, block.subarray(field + 4));
      if (checksum === expected) return undefined;
    }
    return `check sum of commit block ${at} is ${hex(checksum)}, expected ${
      hex(expected)
    }`;
  }

  /** Fast commits change inodes and names one by one; who has them must be mounted or checked. */
  async #refuseFastCommits(): Promise<void> {
    const { fastCommits, content, end, blockSize } = this.#journal;
    if (!fastCommits) return;
    const bytes = await readExactly(
      content,
      end * blockSize,
      12,
      this.#options,
    );
    const view = new DataView(bytes.buffer);
    // tag, length, features, number of the transaction that they follow
    if (
      view.getUint16(0, true) !== FC_TAG_HEAD ||
      view.getUint32(8, true) !== this.#sequence
    ) return;
    throw journalError(
      this.#journal,
      "ext4.journal-fast-commit",
      "it holds fast commits, which fastboop does not replay",
      { sequence: this.#sequence },
    );
  }

  #damaged(found: string, block: number) {
    return journalError(this.#journal, "ext4.journal-damaged", found, {
      block,
      sequence: this.#sequence,
    });
  }
}
