/**
 * Tells what a file holds by the marks that formats leave in it.
 *
 * @module
 */

/** Bytes from the start that {@linkcode sniffFormat} wants to see; fewer is fine. */
export const SNIFF_SIZE = 40960;

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
  { name: "lz4", at: 0, bytes: [0x04, 0x22, 0x4d, 0x18] },
  { name: "bzip2", at: 0, bytes: "BZh" },
  { name: "ZIP", at: 0, bytes: [0x50, 0x4b, 0x03, 0x04] },
  { name: "Android sparse", at: 0, bytes: [0x3a, 0xff, 0x26, 0xed] },
  { name: "Android boot image", at: 0, bytes: "ANDROID!" },
  { name: "squashfs", at: 0, bytes: "hsqs" },
  { name: "XFS", at: 0, bytes: "XFSB" },
  { name: "ISO 9660", at: 32769, bytes: "CD001" },
  { name: "ext4", at: 1080, bytes: [0x53, 0xef] },
  { name: "f2fs", at: 1024, bytes: [0x10, 0x20, 0xf5, 0xf2] },
  { name: "tar", at: 257, bytes: "ustar" },
  { name: "GPT disk", at: 512, bytes: "EFI PART" },
  { name: "GPT disk", at: 4096, bytes: "EFI PART" },
  { name: "FAT", at: 82, bytes: "FAT32" },
  { name: "FAT", at: 54, bytes: "FAT1" },
  { name: "MBR disk", at: 510, bytes: [0x55, 0xaa] },
];

/**
 * Name of the format whose mark `start` carries, for people: `erofs`, `ext4`, `GPT disk`.
 *
 * @param start The first {@linkcode SNIFF_SIZE} bytes, or what there is of them.
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
