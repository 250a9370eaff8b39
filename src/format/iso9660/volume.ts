/**
 * The volume descriptors: what an image says of itself, and where its trees begin.
 *
 * Source: ECMA-119 (ISO 9660), 4th edition, section 8; Joliet Specification, 1995.
 *
 * @module
 */

import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { bytesOf, struct, u32, u32be, u8 } from "../../bytes/struct.ts";
import { decodeName } from "../../bytes/text.ts";
import { isoError } from "./errors.ts";
import { both16, both32, LONG_DATE_SIZE, readLongDate } from "./fields.ts";

/** Bytes of a sector; descriptors and directories are laid out by it. */
export const SECTOR_SIZE = 2048;
/** Sectors before the descriptors, for the boot code of somebody else. */
export const SYSTEM_AREA_SECTORS = 16;
/** Most descriptors looked at: the set has no length, only an end. */
const MAX_DESCRIPTORS = 64;
/** Descriptors that are read together. */
const DESCRIPTORS_PER_READ = 8;

const STANDARD_ID = "CD001";
const TYPE_BOOT = 0;
const TYPE_PRIMARY = 1;
const TYPE_SUPPLEMENTARY = 2;
const TYPE_TERMINATOR = 255;
const EL_TORITO = "EL TORITO SPECIFICATION";
/** Escape sequences of Joliet: UCS-2 levels 1, 2 and 3. */
const JOLIET_ESCAPES = ["%/@", "%/C", "%/E"];

/** Primary and supplementary volume descriptor (ECMA-119, 8.4 and 8.5). */
const VolumeDescriptor = struct("volume descriptor", {
  type: u8,
  id: bytesOf(5),
  version: u8,
  flags: u8,
  systemId: bytesOf(32),
  volumeId: bytesOf(32),
  unused: bytesOf(8),
  blockCount: both32,
  escapes: bytesOf(32),
  setSize: both16,
  sequenceNumber: both16,
  blockSize: both16,
  pathTableSize: both32,
  pathTable: u32,
  optionalPathTable: u32,
  pathTableBig: u32be,
  optionalPathTableBig: u32be,
  rootRecord: bytesOf(34),
  volumeSetId: bytesOf(128),
  publisher: bytesOf(128),
  preparer: bytesOf(128),
  application: bytesOf(128),
  copyrightFile: bytesOf(37),
  abstractFile: bytesOf(37),
  bibliographicFile: bytesOf(37),
  createdAt: bytesOf(LONG_DATE_SIZE),
  modifiedAt: bytesOf(LONG_DATE_SIZE),
  expiresAt: bytesOf(LONG_DATE_SIZE),
  effectiveAt: bytesOf(LONG_DATE_SIZE),
  structureVersion: u8,
});

/** Boot record with what El Torito puts there. */
const BootRecord = struct("boot record", {
  type: u8,
  id: bytesOf(5),
  version: u8,
  system: bytesOf(32),
  bootId: bytesOf(32),
  catalog: u32,
});

/** What an image says of itself. Texts are without the spaces that fill them up. */
export interface IsoVolume {
  /** Volume identifier: what tools call the label. */
  readonly label: string;
  /** System that may use the system area. */
  readonly systemId: string;
  /** Name of the set that the volume is one of. */
  readonly volumeSetId: string;
  /** Who published it. */
  readonly publisher: string;
  /** Who or what made it: the program, mostly. */
  readonly preparer: string;
  /** What it is for. */
  readonly application: string;
  /** Seconds since 1970-01-01 UTC; absent when not set. */
  readonly createdAt?: number;
  /** As {@linkcode IsoVolume.createdAt}, of the last change. */
  readonly modifiedAt?: number;
  /** Bytes of a logical block, which addresses count: 512, 1024 or 2048. */
  readonly blockSize: number;
  /** Bytes of the volume, as it says; an image may have more behind it. */
  readonly size: number;
}

/** A tree of directories that the descriptors name. */
export interface IsoTree {
  /** Byte of the root directory's record in its descriptor. */
  readonly rootPosition: number;
  /** The record: 34 bytes. */
  readonly rootRecord: Uint8Array;
}

/** The descriptors of an image, checked. */
export interface IsoDescriptors {
  /** What the primary one says of the image. */
  readonly volume: IsoVolume;
  /** The tree of the primary one, which holds Rock Ridge. */
  readonly primary: IsoTree;
  /** Of the tree with names in UCS-2, where there is one. */
  readonly joliet?: IsoTree;
  /** Byte of the boot catalogue, where there is one. */
  readonly bootCatalog?: number;
}

/**
 * Reads and checks the descriptors; 1 read, another for each 8 descriptors more.
 *
 * @param session Byte at which the session begins: 0 but for images of several sessions.
 * @throws {FormatError} `iso.bad-magic`, `iso.truncated`, `iso.damaged`, `iso.unsupported-feature`
 */
export async function readDescriptors(
  image: BlockReader,
  session: number,
  options?: ReadOptions,
): Promise<IsoDescriptors> {
  const { name } = image;
  let volume: IsoVolume | undefined;
  let primary: IsoTree | undefined;
  let joliet: { tree: IsoTree; blockSize: number } | undefined;
  let catalog: number | undefined;
  const first = session + SYSTEM_AREA_SECTORS * SECTOR_SIZE;
  let batch = new Uint8Array(0);
  for (let index = 0;; index++) {
    const position = first + index * SECTOR_SIZE;
    const inBatch = (index % DESCRIPTORS_PER_READ) * SECTOR_SIZE;
    if (inBatch === 0) {
      const wanted = DESCRIPTORS_PER_READ * SECTOR_SIZE;
      const size = Math.max(0, Math.min(wanted, image.size - position));
      batch = await readExactly(image, Math.min(position, image.size), size, {
        signal: options?.signal,
      });
    }
    const sector = batch.subarray(inBatch, inBatch + SECTOR_SIZE);
    if (sector.length < SECTOR_SIZE) {
      throw isoError(
        "iso.truncated",
        name,
        "volume descriptors",
        `found ${image.size} bytes, expected a descriptor up to byte ${
          position + SECTOR_SIZE
        }`,
        { size: image.size },
      );
    }
    const id = textOf(sector.subarray(1, 6));
    if (id !== STANDARD_ID || index === MAX_DESCRIPTORS) {
      if (index === 0) throw badMagic(name, position, sector, id);
      // some writers leave the end mark out; what was found counts
      if (primary !== undefined) break;
      throw isoError(
        "iso.damaged",
        name,
        "volume descriptors",
        `their set has no primary descriptor up to byte ${position}`,
        { position },
      );
    }
    const type = sector[0];
    if (type === TYPE_TERMINATOR) {
      if (primary !== undefined) break;
      throw isoError(
        "iso.damaged",
        name,
        "volume descriptors",
        `their set ends at byte ${position}, expected a primary descriptor`,
        { position },
      );
    }
    if (type === TYPE_BOOT) {
      const record = BootRecord.read(sector);
      if (textOf(record.system) === EL_TORITO) catalog ??= record.catalog;
    }
    if (type !== TYPE_PRIMARY && type !== TYPE_SUPPLEMENTARY) continue;
    const descriptor = VolumeDescriptor.read(sector);
    const tree: IsoTree = {
      rootPosition: position + VolumeDescriptor.offsets.rootRecord,
      rootRecord: descriptor.rootRecord,
    };
    if (type === TYPE_PRIMARY && primary === undefined) {
      primary = tree;
      volume = checkVolume(name, position, descriptor);
    }
    const escapes = textOf(descriptor.escapes);
    if (type === TYPE_SUPPLEMENTARY && JOLIET_ESCAPES.includes(escapes)) {
      joliet ??= { tree, blockSize: descriptor.blockSize };
    }
  }
  return {
    volume: volume!,
    primary,
    // addresses in blocks of another size would need a reader of their own; no writer makes them
    ...(joliet?.blockSize === volume!.blockSize ? { joliet: joliet.tree } : {}),
    ...(catalog === undefined ? {} : { bootCatalog: catalog * SECTOR_SIZE }),
  };
}

function checkVolume(
  name: string,
  position: number,
  descriptor: ReturnType<typeof VolumeDescriptor.read>,
): IsoVolume {
  const what = "primary volume descriptor";
  const { blockSize, blockCount } = descriptor;
  if (blockSize !== 512 && blockSize !== 1024 && blockSize !== SECTOR_SIZE) {
    const at = position + VolumeDescriptor.offsets.blockSize;
    throw isoError(
      "iso.damaged",
      name,
      what,
      `blocks at byte ${at} have ${blockSize} bytes, expected 512, 1024 or 2048`,
      { position: at, blockSize },
    );
  }
  const createdAt = readLongDate(descriptor.createdAt);
  const modifiedAt = readLongDate(descriptor.modifiedAt);
  return {
    label: textOf(descriptor.volumeId),
    systemId: textOf(descriptor.systemId),
    volumeSetId: textOf(descriptor.volumeSetId),
    publisher: textOf(descriptor.publisher),
    preparer: textOf(descriptor.preparer),
    application: textOf(descriptor.application),
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(modifiedAt === undefined ? {} : { modifiedAt }),
    blockSize,
    size: blockCount * blockSize,
  };
}

function badMagic(
  name: string,
  position: number,
  sector: Uint8Array,
  id: string,
): Error {
  // the draft that came before: the same ideas at other bytes
  if (textOf(sector.subarray(9, 14)) === "CDROM") {
    return isoError(
      "iso.unsupported-feature",
      name,
      "volume descriptors",
      "it is High Sierra, which fastboop does not read",
    );
  }
  return isoError(
    "iso.bad-magic",
    name,
    "volume descriptors",
    `identifier at byte ${position + 1} is ${
      JSON.stringify(id)
    }, expected "${STANDARD_ID}"`,
    { position: position + 1 },
  );
}

/** Text without what fills it up. */
function textOf(bytes: Uint8Array): string {
  return decodeName(bytes).replace(/[\0 ]+$/, "");
}
