/**
 * Tells what a file holds by the marks that formats leave in it.
 *
 * @module
 */

/**
 * Bytes from the start in which {@linkcode sniffFormat} finds nearly every mark, and all that are as far
 * as btrfs. Fewer is fine.
 */
export const SNIFF_SIZES: readonly number[] = [65536, 69632];

/** Formats that are one stream of bytes made smaller. */
export const COMPRESSIONS: ReadonlySet<string> = new Set([
  "xz",
  "gzip",
  "zstd",
  "lz4",
  "bzip2",
]);

interface Mark {
  readonly name: string;
  /** Byte of the mark. */
  readonly at: number;
  readonly bytes: string | readonly number[];
}

/** What holds a mark further inside stands before what merely wraps it. */
const MARKS: readonly Mark[] = [
  { name: "erofs", at: 1024, bytes: [0xe2, 0xe1, 0xf5, 0xe0] },
  { name: "xz", at: 0, bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { name: "gzip", at: 0, bytes: [0x1f, 0x8b, 0x08] },
  { name: "zstd", at: 0, bytes: [0x28, 0xb5, 0x2f, 0xfd] },
  // the first frame of what pzstd makes is one to be skipped
  { name: "zstd", at: 0, bytes: [0x50, 0x2a, 0x4d, 0x18] },
  { name: "lz4", at: 0, bytes: [0x04, 0x22, 0x4d, 0x18] },
  { name: "bzip2", at: 0, bytes: "BZh" },
  { name: "ZIP", at: 0, bytes: [0x50, 0x4b, 0x03, 0x04] },
  { name: "Android sparse", at: 0, bytes: [0x3a, 0xff, 0x26, 0xed] },
  { name: "Android boot image", at: 0, bytes: "ANDROID!" },
  { name: "Android vendor boot image", at: 0, bytes: "VNDRBOOT" },
  { name: "squashfs", at: 0, bytes: "hsqs" },
  { name: "big-endian squashfs", at: 0, bytes: "sqsh" },
  { name: "XFS", at: 0, bytes: "XFSB" },
  { name: "QEMU disk (qcow2)", at: 0, bytes: [0x51, 0x46, 0x49, 0xfb] },
  { name: "VMware disk (vmdk)", at: 0, bytes: "KDMV" },
  { name: "VirtualBox disk (vdi)", at: 64, bytes: [0x7f, 0x10, 0xda, 0xbe] },
  { name: "Hyper-V disk (vhdx)", at: 0, bytes: "vhdxfile" },
  {
    name: "LUKS container",
    at: 0,
    bytes: [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe],
  },
  { name: "7-Zip", at: 0, bytes: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c] },
  { name: "RAR", at: 0, bytes: "Rar!" },
  { name: "lzop", at: 0, bytes: [0x89, 0x4c, 0x5a, 0x4f, 0x00] },
  { name: "lzip", at: 0, bytes: "LZIP" },
  { name: "lzma", at: 0, bytes: [0x5d, 0x00, 0x00, 0x80, 0x00, 0xff] },
  { name: "lz4 of the old kind", at: 0, bytes: [0x02, 0x21, 0x4c, 0x18] },
  { name: "fastboop profile", at: 0, bytes: "FBOO" },
  { name: "program", at: 0, bytes: [0x7f, 0x45, 0x4c, 0x46] },
  { name: "Linux swap", at: 4086, bytes: "SWAPSPACE2" },
  { name: "LVM volume", at: 512, bytes: "LABELONE" },
  { name: "web page", at: 0, bytes: "<!DOCTYPE" },
  { name: "web page", at: 0, bytes: "<!doctype" },
  { name: "web page", at: 0, bytes: "<html" },
  { name: "ISO 9660", at: 32769, bytes: "CD001" },
  { name: "ext4", at: 1080, bytes: [0x53, 0xef] },
  { name: "f2fs", at: 1024, bytes: [0x10, 0x20, 0xf5, 0xf2] },
  { name: "tar", at: 257, bytes: "ustar" },
  { name: "GPT disk", at: 512, bytes: "EFI PART" },
  { name: "GPT disk", at: 4096, bytes: "EFI PART" },
  { name: "FAT", at: 82, bytes: "FAT32" },
  { name: "FAT", at: 54, bytes: "FAT1" },
  { name: "exFAT", at: 3, bytes: "EXFAT   " },
  { name: "NTFS", at: 3, bytes: "NTFS    " },
  { name: "btrfs", at: 65600, bytes: "_BHRfS_M" },
  { name: "MBR disk", at: 510, bytes: [0x55, 0xaa] },
];

/**
 * Name of the format whose mark `start` carries, for people: `erofs`, `ext4`, `GPT disk`.
 *
 * @param start The first bytes, as many as {@linkcode SNIFF_SIZES} says, or what there is of them.
 * @returns `undefined` when no mark is found.
 */
export function sniffFormat(start: Uint8Array): string | undefined {
  return MARKS.find(({ at, bytes }) => {
    const wanted = typeof bytes === "string"
      ? new TextEncoder().encode(bytes)
      : bytes;
    return wanted.every((byte: number, i: number) => start[at + i] === byte);
  })?.name;
}
