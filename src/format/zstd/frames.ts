/**
 * Where the frames at the start of a zstd file begin and end.
 *
 * @module
 */

/** One frame, as far as it can be seen. */
export interface ZstdFrame {
  /** First byte. */
  readonly offset: number;
  /** Bytes; undefined when it goes on behind what was looked at. */
  readonly size: number | undefined;
  /** Bytes of content, when its header says so. */
  readonly contentSize: number | undefined;
}

/** The frames in the first bytes of a file, those with content. */
export interface ZstdStart {
  readonly frames: readonly ZstdFrame[];
  /** Everything up to the end of the bytes was understood, and a frame ends there. */
  readonly complete: boolean;
}

const ZSTD_MAGICNUMBER = 0xfd2fb528;
const ZSTD_MAGIC_SKIPPABLE_START = 0x184d2a50;
const SKIPPABLE_HEADER_SIZE = 8;
const BLOCK_HEADER_SIZE = 3;
const BLOCK_RLE = 1;
const MAX_CONTENT = BigInt(Number.MAX_SAFE_INTEGER);

/** Whether a frame with content, or one to be skipped, begins with this number. */
export function isZstdMagic(magic: number): boolean {
  return magic === ZSTD_MAGICNUMBER || isSkippable(magic);
}

function isSkippable(magic: number): boolean {
  return (magic & ~15) === ZSTD_MAGIC_SKIPPABLE_START;
}

/**
 * Walks from frame to frame, block to block.
 *
 * @param head The file from its first byte on; all of it or a part.
 * @see RFC 8878, section 3.1
 */
export function walkFrames(head: Uint8Array): ZstdStart {
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const frames: ZstdFrame[] = [];
  let at = 0;
  while (at + SKIPPABLE_HEADER_SIZE <= head.length) {
    const magic = view.getUint32(at, true);
    if (isSkippable(magic)) {
      at += SKIPPABLE_HEADER_SIZE + view.getUint32(at + 4, true);
      continue;
    }
    if (magic !== ZSTD_MAGICNUMBER) return { frames, complete: false };
    const frame = walkFrame(view, at);
    frames.push(frame);
    if (frame.size === undefined) return { frames, complete: false };
    at += frame.size;
  }
  return { frames, complete: at === head.length };
}

function walkFrame(view: DataView, offset: number): ZstdFrame {
  const descriptor = view.getUint8(offset + 4);
  const single = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3]!;
  const field = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  let at = offset + 5 + (single ? 0 : 1) + dictionary;
  if (at + field > view.byteLength) {
    return { offset, size: undefined, contentSize: undefined };
  }
  const contentSize = readSize(view, at, field);
  at += field;
  while (at + BLOCK_HEADER_SIZE <= view.byteLength) {
    const header = view.getUint16(at, true) | view.getUint8(at + 2) << 16;
    const stored = (header >> 1 & 3) === BLOCK_RLE ? 1 : header >>> 3;
    at += BLOCK_HEADER_SIZE + stored;
    if ((header & 1) === 0) continue;
    if ((descriptor & 4) !== 0) at += 4; // check sum
    if (at > view.byteLength) break;
    return { offset, size: at - offset, contentSize };
  }
  return { offset, size: undefined, contentSize };
}

function readSize(
  view: DataView,
  at: number,
  field: number,
): number | undefined {
  switch (field) {
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true) + 256;
    case 4:
      return view.getUint32(at, true);
    case 8: {
      const size = view.getBigUint64(at, true);
      return size > MAX_CONTENT ? undefined : Number(size);
    }
    default:
      return undefined;
  }
}
