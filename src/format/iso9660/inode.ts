import type { Extent } from "../../block/extents.ts";
import type { ReadOptions } from "../../block/reader.ts";
import { decodeName, nameLength } from "../../bytes/text.ts";
import type { FileType } from "../../fs/filesystem.ts";
import { isoError } from "./errors.ts";
import { type IsoImage, type IsoInode, readMetadata } from "./image.ts";
import { type IsoRecord, parseRecord } from "./record.ts";
import { FILE_TYPES, readRockRidge, type RockRidge } from "./rock_ridge.ts";

/** Most bytes of a record. */
export const MAX_RECORD_SIZE = 255;

/** An inode and the name that its record gives it. */
export interface NamedInode {
  readonly name: string;
  readonly inode: IsoInode;
}

/**
 * Makes an inode of the records of a file: several when it has several sections.
 *
 * @returns `undefined` when the records are of a directory that belongs elsewhere.
 * @throws {FormatError} `iso.damaged`, `iso.truncated`
 */
export async function makeInode(
  image: IsoImage,
  records: readonly IsoRecord[],
  options?: ReadOptions,
): Promise<NamedInode | undefined> {
  const record = records[0]!;
  if (image.names !== "rock-ridge") {
    return {
      name: image.names === "joliet"
        ? decodeUcs2(record.identifier)
        : plainName(record.identifier),
      inode: describe(image, records, record.position),
    };
  }
  const rockRidge = await readRockRidge(image, record, options);
  if (rockRidge.relocated) return undefined;
  const name = rockRidge.name ?? plainName(record.identifier);
  const { childLink } = rockRidge;
  if (childLink === undefined) {
    const inode = describe(image, records, record.position, rockRidge);
    return { name, inode };
  }
  // The directory lies elsewhere, and its own first record says what it is like.
  const own = await readOwnRecord(
    image,
    `directory that the record at byte ${record.position} stands for`,
    childLink * image.blockSize,
    options,
  );
  const attributes = await readRockRidge(image, own, options);
  return { name, inode: describe(image, [own], record.position, attributes) };
}

/** The record `.`, with which the directory at byte `position` begins. */
export async function readOwnRecord(
  image: Pick<
    IsoImage,
    "data" | "metadata" | "name" | "volume" | "blockSize"
  >,
  what: string,
  position: number,
  options?: ReadOptions,
): Promise<IsoRecord> {
  const size = Math.max(
    1,
    Math.min(MAX_RECORD_SIZE, image.data.size - position),
  );
  const bytes = await readMetadata(image, what, position, size, options);
  const record = parseRecord(image, bytes, 0, position);
  if (record.directory && record.identifier[0] === 0) return record;
  throw isoError(
    "iso.damaged",
    image.name,
    what,
    `what stands at byte ${position} is not the beginning of a directory`,
    { position },
  );
}

/** @param position The inode's number. */
export function describe(
  image: IsoImage,
  records: readonly IsoRecord[],
  position: number,
  rockRidge?: RockRidge,
): IsoInode {
  const record = records[0]!;
  const damaged = (found: string) =>
    isoError(
      "iso.damaged",
      image.name,
      `directory record at byte ${record.position}`,
      found,
      { position: record.position },
    );
  const mode = rockRidge?.mode;
  const stated: FileType = record.directory ? "directory" : "file";
  const type = mode === undefined ? stated : FILE_TYPES[mode >> 12];
  if (type === undefined) throw damaged(`mode is 0o${mode!.toString(8)}`);
  if (record.directory !== (type === "directory")) {
    throw damaged(`it is of a ${stated}, but Rock Ridge says ${type}`);
  }
  const target = rockRidge?.target;
  if (type === "symlink" && target === undefined) {
    throw damaged("it is of a link without a target");
  }
  const extents: Extent[] = records.map(({ extent }) => extent);
  const sum = extents.reduce((sum, { size }) => sum + size, 0);
  const isFile = type === "file" || type === "directory";
  const refused = records.some(({ interleaved }) => interleaved)
    ? "its content is interleaved, which fastboop does not read"
    : rockRidge?.refused;
  const device = type === "character-device" || type === "block-device";
  return {
    number: position,
    type,
    size: type === "symlink" ? nameLength(target!) : isFile ? sum : 0,
    // "everybody gets to read" is what Linux says of images that say nothing
    mode: mode === undefined
      ? type === "directory" ? 0o555 : 0o444
      : mode & 0o7777,
    uid: rockRidge?.uid ?? 0,
    gid: rockRidge?.gid ?? 0,
    mtime: rockRidge?.mtime ?? record.mtime,
    linkCount: rockRidge?.linkCount ?? 1,
    ...(device ? { rdev: rockRidge?.rdev ?? 0 } : {}),
    extents: isFile ? extents : [],
    ...(type === "symlink" ? { target: target! } : {}),
    ...(refused === undefined ? {} : { refused }),
  };
}

/** A name without extensions, as Linux shows it: small letters, no version, no dot at the end. */
function plainName(identifier: Uint8Array): string {
  const name = decodeName(identifier).replace(/;\d*$/, "").replace(/\.$/, "");
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

const HALF_PAIR =
  /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** A name of Joliet: UTF-16, big-endian; half a surrogate pair becomes U+FFFD. */
function decodeUcs2(identifier: Uint8Array): string {
  let name = "";
  for (let at = 0; at + 1 < identifier.length; at += 2) {
    name += String.fromCharCode(identifier[at]! << 8 | identifier[at + 1]!);
  }
  return name.replace(/;\d*$/, "").replace(HALF_PAIR, "\ufffd");
}
