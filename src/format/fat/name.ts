/**
 * Names in FAT directories: 8.3 in the code page of the PC, long ones in UTF-16.
 *
 * @module
 */

/** Code page 437 from byte 0x80 on; what Linux takes short names for, unless told otherwise. */
const CP437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐" +
  "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

/** Bits of byte 12 of an entry: Windows NT wrote the name in capitals, it is in small letters. */
const LOWER_BASE = 0x08;
const LOWER_EXTENSION = 0x10;

/** Text in code page 437. */
export function decodeOem(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    text += byte < 0x80 ? String.fromCharCode(byte) : CP437[byte - 0x80];
  }
  return text;
}

/**
 * The short name of an entry, without the spaces that fill it up.
 *
 * @param entry 32 bytes.
 */
export function shortName(entry: Uint8Array): string {
  const bytes = entry.slice(0, 11);
  unescapeFirst(bytes);
  const flags = entry[12]!;
  const base = decodeOem(bytes.subarray(0, 8)).trimEnd();
  const extension = decodeOem(bytes.subarray(8)).trimEnd();
  const shown = flags & LOWER_BASE ? base.toLowerCase() : base;
  if (extension === "") return shown;
  return `${shown}.${
    flags & LOWER_EXTENSION ? extension.toLowerCase() : extension
  }`;
}

/** 0xe5 marks deleted entries, so names that begin with it are written with 0x05. */
export function unescapeFirst(bytes: Uint8Array): void {
  if (bytes[0] === 0x05) bytes[0] = 0xe5;
}

/** The sum that ties the parts of a long name to their short one (fatgen103, `ChkSum`). */
export function shortNameSum(entry: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < 11; i++) {
    sum = (((sum & 1) << 7) + (sum >> 1) + entry[i]!) & 0xff;
  }
  return sum;
}

/** Where the 13 code units of a part of a long name stand. */
const UNITS = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
/** Bit of the order number: the part is the last one of its name, and stands first. */
const LAST_PART = 0x40;
/** Most parts of a name: 255 code units. */
const MAX_PARTS = 20;

/** Puts long names together from their parts, which stand before the entry that they belong to. */
export class LongName {
  #parts: string[] = [];
  #wanted = 0;
  #sum = 0;

  /** Takes the next part, an entry of 32 bytes. A part that does not fit begins or ends nothing. */
  add(entry: Uint8Array): void {
    const order = entry[0]!;
    const number = order & ~LAST_PART;
    if (order & LAST_PART && number >= 1 && number <= MAX_PARTS) {
      this.#parts = [];
      this.#sum = entry[13]!;
      this.#wanted = number;
    } else if (
      number === 0 || number !== this.#wanted || entry[13] !== this.#sum
    ) {
      return this.clear();
    }
    let text = "";
    for (const at of UNITS) {
      text += String.fromCharCode(entry[at]! | entry[at + 1]! << 8);
    }
    this.#parts.unshift(text);
    this.#wanted = number - 1;
  }

  /** Forgets the parts: what followed was no entry that they can belong to. */
  clear(): void {
    this.#parts = [];
    this.#wanted = 0;
  }

  /**
   * The name of `entry`, 32 bytes, when the parts are complete and belong to it; they are forgotten.
   *
   * Half a surrogate pair becomes U+FFFD, it stands for no character.
   */
  take(entry: Uint8Array): string | undefined {
    const complete = this.#parts.length > 0 && this.#wanted === 0 &&
      shortNameSum(entry) === this.#sum;
    const text = this.#parts.join("");
    this.clear();
    if (!complete) return undefined;
    const end = text.indexOf("\0");
    const name = end < 0 ? text : text.slice(0, end);
    return name === "" ? undefined : name.replace(HALF_PAIR, "\ufffd");
  }
}

const HALF_PAIR =
  /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** What two names have in common that differ in case only. */
export function foldName(name: string): string {
  let folded = "";
  for (const character of name) {
    const upper = character.toUpperCase();
    // one character for one, as in the tables of FAT drivers: "ß" stays itself
    folded += upper.length === character.length ? upper : character;
  }
  return folded;
}
