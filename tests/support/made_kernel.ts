/**
 * A made-up arm64 Image of 96 KiB for unit tests. Its compressed forms in `tests/fixtures/kernel`
 * are by other programs.
 *
 * @module
 */

/** What {@linkcode madeImage} says of itself. */
export const MADE_RELEASE = "6.99.0-made+1-arm64";
const SIZE = 96 << 10;
const PE_HEADER = 0x40;
const TEXT = 4096;

/** The image: always the same bytes. */
export function madeImage(): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(SIZE);
  const view = new DataView(image.buffer);
  const ascii = (at: number, text: string) =>
    image.set(new TextEncoder().encode(text), at);

  // Some of it cannot be compressed, and most of it can.
  let random = 12345;
  for (let at = TEXT; at < TEXT + 2048; at++) {
    random = Math.imul(random, 1103515245) + 12345 >>> 0;
    image[at] = random >>> 16;
  }
  for (let at = TEXT + 2048; at < SIZE; at++) {
    image[at] = (at & 7) === 0 ? at >> 11 : image[at - 1801]!;
  }

  ascii(0, "MZ");
  view.setBigUint64(16, BigInt(SIZE + 8192), true); // with 8 KiB of bss
  ascii(0x38, "ARM\x64");
  view.setUint32(0x3c, PE_HEADER, true);
  ascii(PE_HEADER, "PE\0\0");
  view.setUint16(PE_HEADER + 4, 0xaa64, true);
  view.setUint16(PE_HEADER + 6, 2, true);
  section(view, PE_HEADER + 24, ".text", TEXT, 65536);
  section(view, PE_HEADER + 64, ".data", TEXT + 65536, SIZE - TEXT - 65536);

  // What only prints releases, and things that look like the banner, come before it.
  ascii(0x3000, "Linux version %s (%s)\n\0Linux version \0Linux Linux versi");
  ascii(0x9001, `Linux version ${MADE_RELEASE} (builder@example) #1 SMP\n\0`);
  return image;
}

/** Writes the header of a section whose bytes in the file are those in memory. */
export function section(
  view: DataView,
  at: number,
  name: string,
  offset: number,
  size: number,
): void {
  for (let i = 0; i < name.length; i++) {
    view.setUint8(at + i, name.charCodeAt(i));
  }
  view.setUint32(at + 8, size, true);
  view.setUint32(at + 12, offset, true);
  view.setUint32(at + 16, size, true);
  view.setUint32(at + 20, offset, true);
}

/** An EFI zboot image around a payload, as Linux, zboot-header.S, lays it out. */
export function madeZboot(
  type: string,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(4096 + payload.length + 512);
  const view = new DataView(image.buffer);
  const ascii = (at: number, text: string) =>
    image.set(new TextEncoder().encode(text), at);
  ascii(0, "MZ\0\0zimg");
  view.setUint32(8, 4096, true);
  view.setUint32(12, payload.length, true);
  ascii(24, `${type}\0`);
  view.setUint32(0x38, 0x818223cd, true); // LINUX_PE_MAGIC
  view.setUint32(0x3c, 0x40, true);
  ascii(0x40, "PE\0\0");
  image.set(payload, 4096);
  return image;
}

/** An x86 kernel of one setup sector and `size` bytes, or one that states to be larger. */
export function madeBzImage(size: number): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(1024 + size);
  const view = new DataView(image.buffer);
  image[0x1f1] = 1;
  view.setUint32(0x1f4, size / 16, true);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, 0x020f, true);
  view.setUint16(0x20e, 0x0100, true);
  const version = "6.99.0-made-amd64 (builder@example) #1 SMP\0";
  image.set(new TextEncoder().encode(version), 0x0300);
  return image;
}
