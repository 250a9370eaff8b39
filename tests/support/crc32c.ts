/** CRC-32C (Castagnoli) by the book, to judge and to make images with; 0xe3069283 of `123456789`. */
export function crc32cOf(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
    }
  }
  return ~sum >>> 0;
}
