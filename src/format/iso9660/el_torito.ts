/**
 * El Torito: what firmware boots from an ISO 9660 image.
 *
 * Sources: Phoenix and IBM, "El Torito" Bootable CD-ROM Format Specification 1.0; UEFI 2.10, 13.3.2.
 *
 * @module
 */

import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../../block/reader.ts";
import { withSlice } from "../../block/slice.ts";
import { bytesOf, struct, u16, u32, u8 } from "../../bytes/struct.ts";
import { isoError } from "./errors.ts";
import { readDescriptors, SECTOR_SIZE } from "./volume.ts";

/** Firmware that an entry is for. */
export type BootPlatform = "x86" | "powerpc" | "mac" | "efi" | "unknown";

/** One image that firmware may boot. */
export interface ElToritoEntry {
  /** Firmware that it is for. */
  readonly platform: BootPlatform;
  /** The catalogue says that it can be booted. */
  readonly bootable: boolean;
  /** What the firmware pretends it to be. */
  readonly emulation: "none" | "floppy" | "hard disk";
  /** Byte at which it begins. */
  readonly offset: number;
  /**
   * Bytes. Of an image for EFI, whose size the catalogue need not say and cannot when it is 32 MiB or
   * more, all up to the end of the image: what is in it knows its own size.
   */
  readonly size: number;
  /** The catalogue says the size. */
  readonly sizeStated: boolean;
}

/** What {@linkcode readElTorito} can be told. */
export interface ElToritoOptions extends ReadOptions {
  /** Sector at which the session begins, as for `openIso9660`. */
  readonly sessionSector?: number | undefined;
}

const ENTRY_SIZE = 32;
/** Bytes of a catalogue that are looked at: 63 entries. */
const CATALOG_SIZE = SECTOR_SIZE;
/** Unit of the sizes in a catalogue, whatever the block size. */
const VIRTUAL_SECTOR = 512;

const ValidationEntry = struct("validation entry", {
  headerId: u8,
  platform: u8,
  reserved: u16,
  id: bytesOf(24),
  checksum: u16,
  key: u16,
});
const BootEntry = struct("boot entry", {
  indicator: u8,
  media: u8,
  segment: u16,
  system: u8,
  unused: u8,
  sectors: u16,
  block: u32,
});
const SectionHeader = struct("section header", {
  indicator: u8,
  platform: u8,
  entries: u16,
});

const PLATFORMS: Readonly<Record<number, BootPlatform>> = {
  0: "x86",
  1: "powerpc",
  2: "mac",
  0xef: "efi",
};
const KEY = 0xaa55;
const BOOTABLE = 0x88;
const SECTION = 0x90;
const LAST_SECTION = 0x91;
const EXTENSION = 0x44;
/** Sizes of the floppies that a firmware can pretend to have, by media type. */
const FLOPPIES: readonly number[] = [0, 1200 << 10, 1440 << 10, 2880 << 10];

/**
 * Reads the boot catalogue of an image; 2 reads.
 *
 * @returns `undefined` when it has none.
 * @throws {FormatError} `iso.bad-magic`, `iso.truncated`, `iso.damaged`
 */
export async function readElTorito(
  image: BlockReader,
  options: ElToritoOptions = {},
): Promise<readonly ElToritoEntry[] | undefined> {
  const session = (options.sessionSector ?? 0) * SECTOR_SIZE;
  const { bootCatalog } = await readDescriptors(
    image,
    session,
    options,
  );
  if (bootCatalog === undefined) return undefined;
  const { name } = image;
  const what = `boot catalogue at byte ${bootCatalog}`;
  if (bootCatalog + CATALOG_SIZE > image.size) {
    const found = `found ${image.size} bytes, expected at least ${
      bootCatalog + CATALOG_SIZE
    }`;
    throw isoError("iso.truncated", name, what, found, { size: image.size });
  }
  const bytes = await readExactly(image, bootCatalog, CATALOG_SIZE, options);
  const validation = ValidationEntry.read(bytes);
  if (
    validation.headerId !== 1 || validation.key !== KEY || sumOf(bytes) !== 0
  ) {
    throw isoError(
      "iso.damaged",
      name,
      what,
      `its first entry has id ${validation.headerId}, key 0x${
        validation.key.toString(16)
      } and sum ${sumOf(bytes)}, expected 1, 0xaa55 and 0`,
      { position: bootCatalog },
    );
  }
  const entries: ElToritoEntry[] = [];
  const add = (platform: number, at: number) => {
    const entry = BootEntry.read(bytes, at);
    const offset = entry.block * SECTOR_SIZE;
    if (offset >= image.size) {
      throw isoError(
        "iso.truncated",
        name,
        `${what}, entry ${at / ENTRY_SIZE}`,
        `it is said to begin at byte ${offset}, expected less than ${image.size}`,
        { offset, size: image.size },
      );
    }
    const kind = PLATFORMS[platform] ?? "unknown";
    const media = entry.media & 0xf;
    const floppy = FLOPPIES[media];
    // UEFI: 0 and 1 mean up to the end of the medium; partitions behind the volume belong to it
    const open = kind === "efi" && entry.sectors <= 1;
    const size = floppy ||
      (open ? image.size - offset : entry.sectors * VIRTUAL_SECTOR);
    if (offset + size > image.size && !floppy) {
      throw isoError(
        "iso.truncated",
        name,
        `${what}, entry ${at / ENTRY_SIZE}`,
        `it is said to end at byte ${
          offset + size
        }, expected at most ${image.size}`,
        { offset, size: image.size },
      );
    }
    entries.push({
      platform: kind,
      bootable: entry.indicator === BOOTABLE,
      emulation: floppy ? "floppy" : media === 4 ? "hard disk" : "none",
      offset,
      size: Math.max(0, Math.min(size, image.size - offset)),
      sizeStated: !open,
    });
  };
  add(validation.platform, ENTRY_SIZE);
  for (let at = 2 * ENTRY_SIZE; at < CATALOG_SIZE;) {
    const section = SectionHeader.read(bytes, at);
    if (section.indicator !== SECTION && section.indicator !== LAST_SECTION) {
      break;
    }
    at += ENTRY_SIZE;
    for (let i = 0; i < section.entries && at < CATALOG_SIZE; i++) {
      add(section.platform, at);
      at += ENTRY_SIZE;
      while (at < CATALOG_SIZE && bytes[at] === EXTENSION) at += ENTRY_SIZE;
    }
    if (section.indicator === LAST_SECTION) break;
  }
  return entries;
}

/** Opens an image that {@linkcode readElTorito} found; that for EFI is a FAT. */
export function openElToritoImage(
  image: BlockReader,
  { offset, size, platform }: ElToritoEntry,
): BlockReader {
  const slice = withSlice(image, { offset, size });
  return { ...slice, name: `${image.name}#el-torito-${platform}` };
}

/** All 16-bit words of the first entry: 0 when it is whole. */
function sumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < ENTRY_SIZE; i += 2) sum += bytes[i]! | bytes[i + 1]! << 8;
  return sum & 0xffff;
}
