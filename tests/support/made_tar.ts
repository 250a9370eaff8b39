/**
 * Tar archives, header by header, for what no program makes on purpose.
 *
 * @module
 */

type Bytes = Uint8Array<ArrayBuffer>;

/** One header and its data. Text is written as bytes of UTF-8. */
export interface MadeMember {
  readonly name: string;
  /** `0` when absent. */
  readonly type?: string;
  readonly data?: Uint8Array;
  /** What the header says, when it is not the size of the data; `base-256` as the size in binary. */
  readonly size?: number | "base-256" | Uint8Array;
  readonly linkName?: string;
  readonly prefix?: string;
  /** `ustar\0` + `00` when absent. */
  readonly magic?: string;
  readonly mtime?: number;
  /** Sum of bytes with sign, as some old programs made it. */
  readonly signed?: boolean;
  /** Changes the header before its sum is made. */
  readonly edit?: (header: Uint8Array) => void;
}

/** Makes a header of 512 bytes and the data behind it, padded. */
export function madeMember(member: MadeMember): Bytes {
  const { data = new Uint8Array(0), magic = "ustar\x0000" } = member;
  const bytes = new Uint8Array(512 + Math.ceil(data.length / 512) * 512);
  const put = (text: string, at: number) =>
    bytes.set(new TextEncoder().encode(text), at);
  put(member.name, 0);
  put("0000644", 100);
  put("0000000", 108);
  put("0000000", 116);
  const { size = data.length } = member;
  if (size instanceof Uint8Array) bytes.set(size, 124);
  else if (size === "base-256") bytes.set(base256(data.length), 124);
  else put(size.toString(8).padStart(11, "0"), 124);
  put((member.mtime ?? 1767225600).toString(8).padStart(11, "0"), 136);
  put(member.type ?? "0", 156);
  put(member.linkName ?? "", 157);
  put(magic, 257);
  put(member.prefix ?? "", 345);
  bytes.set(data, 512);
  member.edit?.(bytes);
  sealTarHeader(bytes, 0, member.signed);
  return bytes;
}

/** A number of 12 bytes in binary. */
export function base256(value: number): Uint8Array {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setBigUint64(4, BigInt(value));
  bytes[0] = 0x80;
  return bytes;
}

/** Makes the check sum of the header at `at` right. */
export function sealTarHeader(
  bytes: Uint8Array,
  at: number,
  signed = false,
): void {
  bytes.fill(0x20, at + 148, at + 156);
  let sum = 0;
  for (const byte of bytes.subarray(at, at + 512)) {
    sum += signed ? byte << 24 >> 24 : byte;
  }
  const text = `${(sum >>> 0).toString(8).slice(-6).padStart(6, "0")}\0 `;
  bytes.set(new TextEncoder().encode(text), at + 148);
}

/** Makes an archive with two blocks of zeros at its end. */
export function madeTar(members: readonly MadeMember[]): Bytes {
  const pieces = [...members.map(madeMember), new Uint8Array(1024)];
  const all = new Uint8Array(
    pieces.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Records of an extended header. */
export function paxData(
  records: Readonly<Record<string, string | Uint8Array>>,
): Bytes {
  const pieces: number[] = [];
  for (const [key, value] of Object.entries(records)) {
    const text = typeof value === "string"
      ? new TextEncoder().encode(value)
      : value;
    const rest = new TextEncoder().encode(` ${key}=`).length + text.length + 1;
    let length = rest;
    while (String(length).length + rest !== length) {
      length = String(length).length + rest;
    }
    pieces.push(
      ...new TextEncoder().encode(`${length} ${key}=`),
      ...text,
      0x0a,
    );
  }
  return Uint8Array.from(pieces);
}

/** An extended header for the entry behind it. */
export function pax(
  records: Readonly<Record<string, string | Uint8Array>>,
  type: "x" | "g" | "X" = "x",
): MadeMember {
  return { name: "PaxHeaders/x", type, data: paxData(records) };
}
