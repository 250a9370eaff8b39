import type { ReadOptions } from "../../block/reader.ts";
import { isoError } from "./errors.ts";
import { type IsoImage, type IsoInode, readMetadata } from "./image.ts";
import { makeInode, MAX_RECORD_SIZE, type NamedInode } from "./inode.ts";
import { isDots, type IsoRecord, parseRecord } from "./record.ts";
import { SECTOR_SIZE } from "./volume.ts";

/** Most bytes of a directory: half a million names. */
const MAX_DIRECTORY_SIZE = 64 << 20;
/** Bytes of a directory that are read together. */
const READ_SIZE = 1 << 20;

/** A directory in memory, in its own order. */
export interface IsoDirectory {
  readonly byName: ReadonlyMap<string, IsoInode>;
}

/**
 * Reads a whole directory, by one read for each MiB, and what its records point to.
 *
 * Of two equal names the first one counts: of several versions of a file it is the newest.
 *
 * @throws {FormatError} `iso.damaged`, `iso.truncated`, `iso.unsupported-feature`
 */
export async function readDirectory(
  image: IsoImage,
  directory: IsoInode,
  options?: ReadOptions,
): Promise<IsoDirectory> {
  const what = `directory at byte ${directory.number}`;
  const { size, refused } = directory;
  if (refused !== undefined) {
    throw isoError("iso.unsupported-feature", image.name, what, refused);
  }
  if (size > MAX_DIRECTORY_SIZE) {
    const found =
      `it is said to have ${size} bytes, expected at most ${MAX_DIRECTORY_SIZE}`;
    throw isoError("iso.damaged", image.name, what, found, { size });
  }
  const byName = new Map<string, IsoInode>();
  /** Records of a file whose last one has not come yet. */
  let sections: IsoRecord[] = [];
  for (const extent of directory.extents) {
    for (let start = 0; start < extent.size; start += READ_SIZE) {
      const count = Math.min(READ_SIZE, extent.size - start);
      const position = extent.offset + start;
      const bytes = await readMetadata(image, what, position, count, options);
      for (const record of recordsIn(image, bytes, position)) {
        if (sections.length > 0) checkSection(image, sections[0]!, record);
        sections.push(record);
        if (record.continued) continue;
        const whole = sections;
        sections = [];
        if (isDots(record) || record.associated) continue;
        const found = await makeInode(image, whole, options);
        if (found !== undefined && !byName.has(found.name)) {
          byName.set(found.name, found.inode);
        }
      }
    }
  }
  if (sections.length > 0) throw missingSection(image, sections[0]!);
  return { byName };
}

/**
 * Reads the record at byte `position`, and those of the same file that follow it.
 *
 * @param position As it was listed; anything else is damage, or nonsense.
 */
export async function readInodeAt(
  image: IsoImage,
  position: number,
  options?: ReadOptions,
): Promise<NamedInode | undefined> {
  const what = `directory record at byte ${position}`;
  const sections: IsoRecord[] = [];
  for (let at = position;;) {
    const size = Math.max(1, Math.min(MAX_RECORD_SIZE, image.data.size - at));
    const bytes = await readMetadata(image, what, at, size, options);
    if (sections.length > 0 && bytes[0] === 0 && at % SECTOR_SIZE !== 0) {
      at = (Math.floor(at / SECTOR_SIZE) + 1) * SECTOR_SIZE;
      continue;
    }
    const record = parseRecord(image, bytes, 0, at);
    if (sections.length > 0) checkSection(image, sections[0]!, record);
    sections.push(record);
    if (!record.continued) return await makeInode(image, sections, options);
    at += record.length;
  }
}

/** The records in whole sectors; none crosses the end of its sector. */
function* recordsIn(
  image: IsoImage,
  bytes: Uint8Array,
  position: number,
): Generator<IsoRecord> {
  for (let start = 0; start < bytes.length; start += SECTOR_SIZE) {
    const sector = bytes.subarray(start, start + SECTOR_SIZE);
    for (let at = 0; at < sector.length && sector[at] !== 0;) {
      const record = parseRecord(image, sector, at, position + start + at);
      yield record;
      at += record.length;
    }
  }
}

function checkSection(
  image: IsoImage,
  first: IsoRecord,
  next: IsoRecord,
): void {
  const same = first.identifier.length === next.identifier.length &&
    first.identifier.every((byte, i) => byte === next.identifier[i]);
  if (!same || first.directory) throw missingSection(image, first);
}

function missingSection(image: IsoImage, { position }: IsoRecord) {
  return isoError(
    "iso.damaged",
    image.name,
    `directory record at byte ${position}`,
    "its file has another section, whose record does not follow",
    { position },
  );
}
