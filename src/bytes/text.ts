/**
 * Names as Linux file systems hold them, bytes that are mostly UTF-8, and back without loss.
 *
 * @module
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Decodes a name: UTF-8, each byte that is not part of valid UTF-8 as a lone surrogate U+DC80 to
 * U+DCFF (byte 0x80 to 0xFF), as Python's `surrogateescape` does.
 *
 * Different bytes give different strings, and {@linkcode encodeName} gives the bytes back.
 *
 * @example
 * ```ts
 * import { decodeName } from "./text.ts";
 *
 * console.assert(decodeName(Uint8Array.of(0x61, 0xff)) === "a\udcff");
 * ```
 */
export function decodeName(bytes: Uint8Array): string {
  // A decoder call costs more than reading a short ASCII name byte by byte.
  if (bytes.length <= 24) {
    let text = "";
    let i = 0;
    for (; i < bytes.length; i++) {
      const byte = bytes[i]!;
      if (byte >= 0x80) break;
      text += String.fromCharCode(byte);
    }
    if (i === bytes.length) return text;
  }
  try {
    return strict.decode(bytes);
  } catch {
    return decodeEscaped(bytes);
  }
}

/**
 * Encodes a name that {@linkcode decodeName} gave, or any other string, as bytes.
 *
 * @throws {TypeError} when `name` holds a surrogate that stands for no byte.
 *
 * @example
 * ```ts
 * import { encodeName } from "./text.ts";
 *
 * console.assert(encodeName("a\udcff").join() === "97,255");
 * ```
 */
export function encodeName(name: string): Uint8Array<ArrayBuffer> {
  if (!hasSurrogate(name)) return encoder.encode(name);
  const bytes: number[] = [];
  for (const character of name) {
    const code = character.codePointAt(0)!;
    if (code < 0xd800 || code > 0xdfff) {
      bytes.push(...encoder.encode(character));
    } else if (code >= 0xdc80 && code <= 0xdcff) {
      bytes.push(code - 0xdc00);
    } else {
      throw new TypeError(
        `Cannot encode name ${JSON.stringify(name)}: surrogate U+${
          code.toString(16).toUpperCase()
        } stands for no byte`,
      );
    }
  }
  return Uint8Array.from(bytes);
}

/** Bytes that `name` takes, as {@linkcode encodeName} would encode it. */
export function nameLength(name: string): number {
  let length = 0;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code < 0x80) length++;
    else if (code < 0x800) length += 2;
    else if (code < 0xd800 || code > 0xdfff) length += 3;
    else if (code < 0xdc00 && isLow(name.charCodeAt(i + 1))) {
      length += 4;
      i++;
    } else length++;
  }
  return length;
}

function isLow(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}

function hasSurrogate(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0xd800 && code <= 0xdfff) return true;
  }
  return false;
}

function decodeEscaped(bytes: Uint8Array): string {
  let text = "";
  let valid = 0; // start of the valid bytes not yet decoded
  let i = 0;
  while (i < bytes.length) {
    const length = sequenceLength(bytes, i);
    if (length > 0) {
      i += length;
      continue;
    }
    text += strict.decode(bytes.subarray(valid, i));
    text += String.fromCharCode(0xdc00 + bytes[i]!);
    valid = ++i;
  }
  return text + strict.decode(bytes.subarray(valid));
}

/** Bytes of the UTF-8 sequence at `i`, 0 when there is none (RFC 3629, section 4). */
function sequenceLength(bytes: Uint8Array, i: number): number {
  const first = bytes[i]!;
  if (first < 0x80) return 1;
  const length = first >= 0xc2 && first <= 0xdf
    ? 2
    : (first & 0xf0) === 0xe0
    ? 3
    : first >= 0xf0 && first <= 0xf4
    ? 4
    : 0;
  if (length === 0 || i + length > bytes.length) return 0;
  // Overlong forms, surrogates and what is past U+10FFFF are told by the second byte.
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[i + 1]!;
  if (second < low || second > high) return 0;
  for (let k = 2; k < length; k++) {
    if ((bytes[i + k]! & 0xc0) !== 0x80) return 0;
  }
  return length;
}
