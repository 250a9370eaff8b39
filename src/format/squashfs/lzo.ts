/** Distances beyond which an instruction begins to count. */
const NEAR = 1, MIDDLE = 2049, FAR = 16384;

/**
 * Decompresses one LZO1X block, as lzo1x_1, lzo1x_1_15 or lzo1x_999 make them.
 *
 * The stream is a row of instructions. Each one copies bytes made before (a distance back, and how
 * many), then up to three bytes of the stream as they are; how many those were decides what the small
 * opcodes of the next one mean. A copy from distance 16384 ends the stream.
 *
 * @param maxSize Most bytes that it may hold.
 * @returns Memory of its own; `undefined` when the block is damaged, cut short or holds more.
 * @see Linux 6.12, Documentation/staging/lzo.rst
 */
export function decodeLzo1x(
  input: Uint8Array,
  maxSize: number,
): Uint8Array<ArrayBuffer> | undefined {
  const output = new Uint8Array(maxSize);
  const end = input.length;
  let at = 0, made = 0;
  /** Literals copied by the instruction before: 0, 1 to 3, or 4 for any more. */
  let state = 0;

  /** The rest of a length that did not fit its opcode: zero bytes count 255 each. */
  function longLength(most: number): number {
    let length = most;
    while (at < end && input[at] === 0) {
      length += 255;
      at++;
      // More than could ever be made: stop before the number means nothing.
      if (length > maxSize) return Infinity;
    }
    return at < end ? length + input[at++]! : Infinity;
  }

  function copyLiterals(count: number): boolean {
    if (count > end - at || count > maxSize - made) return false;
    if (count < 16) {
      for (let i = 0; i < count; i++) output[made++] = input[at++]!;
    } else {
      output.set(input.subarray(at, at + count), made);
      at += count;
      made += count;
    }
    return true;
  }

  function copyBack(distance: number, count: number): boolean {
    if (distance > made || count > maxSize - made) return false;
    // Byte by byte: where the distance is less than the count, what is copied was just made.
    for (let from = made - distance; count > 0; count--) {
      output[made++] = output[from++]!;
    }
    return true;
  }

  if (end > 0 && input[0]! > 17) {
    const count = input[0]! - 17;
    at = 1;
    if (!copyLiterals(count)) return undefined;
    state = Math.min(count, 4);
  }
  while (at < end) {
    const code = input[at++]!;
    let distance: number, length: number, literals: number;
    if (code < 16 && state === 0) {
      if (!copyLiterals(3 + (code || longLength(15)))) return undefined;
      state = 4;
      continue;
    }
    if (code < 16 || code >= 64) {
      if (at >= end) return undefined;
      const high = input[at++]!;
      literals = code & 3;
      if (code >= 64) {
        distance = NEAR + ((code >> 2) & 7) + (high << 3);
        length = code >= 128 ? 5 + ((code >> 5) & 3) : 3 + ((code >> 5) & 1);
      } else {
        distance = (state === 4 ? MIDDLE : NEAR) + (code >> 2) + (high << 2);
        length = state === 4 ? 3 : 2;
      }
    } else {
      length = 2 +
        (code >= 32
          ? (code & 31) || longLength(31)
          : (code & 7) || longLength(7));
      if (end - at < 2) return undefined;
      const word = input[at]! | (input[at + 1]! << 8);
      at += 2;
      literals = word & 3;
      if (code >= 32) distance = NEAR + (word >> 2);
      else {
        distance = FAR + ((code & 8) << 11) + (word >> 2);
        if (distance === FAR) {
          return length === 3 && at === end
            ? output.subarray(0, made)
            : undefined;
        }
      }
    }
    if (!copyBack(distance, length) || !copyLiterals(literals)) {
      return undefined;
    }
    state = literals;
  }
  return undefined;
}
