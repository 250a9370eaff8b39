/**
 * ZIP archives, record by record, for what no program makes on purpose.
 *
 * @module
 */

import { crc32, deflateRaw } from "../../src/wasm/codecs.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** One entry to make. */
export interface MadeZipEntry {
  readonly name: string | Uint8Array;
  readonly data?: Uint8Array;
  /** 0 or 8, whose data is stored or compressed here, or another number. */
  readonly method?: number;
  /** What is stored, when it is not what `data` and `method` give. */
  readonly stored?: Uint8Array;
  readonly flags?: number;
  readonly crc?: number;
  readonly size?: number;
  /** Sizes and offset in 64 bits. */
  readonly zip64?: boolean;
  /** Sizes and sum behind the data, none in front. */
  readonly descriptor?: boolean;
  /** What differs in the local header. */
  readonly local?: {
    readonly name?: string;
    readonly method?: number;
    readonly flags?: number;
    readonly crc?: number;
    readonly size?: number;
    readonly extra?: Uint8Array;
    readonly signature?: number;
  };
  /** Unix mode, of links and directories. */
  readonly mode?: number;
  readonly disk?: number;
  /** What the directory says about where the local header is. */
  readonly offset?: number;
}

/** What an archive is made of besides its entries. */
export interface MadeZipOptions {
  readonly before?: Uint8Array;
  readonly comment?: string;
  readonly zip64?: boolean;
  readonly disk?: number;
  /** What the end record says about the directory. */
  readonly directory?: {
    readonly offset?: number;
    readonly size?: number;
    readonly count?: number;
  };
}

/** Makes an archive. */
export async function madeZip(
  entries: readonly MadeZipEntry[],
  options: MadeZipOptions = {},
): Promise<Bytes> {
  const out = new Writer();
  out.bytes(options.before ?? new Uint8Array(0));
  const directory = new Writer();
  for (const entry of entries) {
    const data = entry.data ?? new Uint8Array(0);
    const method = entry.method ?? 0;
    const stored = entry.stored ??
      (method === 8 ? await deflateRaw(data) : data);
    const name = typeof entry.name === "string"
      ? new TextEncoder().encode(entry.name)
      : entry.name;
    const crc = entry.crc ?? await crc32(data);
    const size = entry.size ?? data.length;
    const flags = (entry.flags ?? 0) | (entry.descriptor ? 8 : 0);
    const local = entry.local ?? {};
    const at = entry.offset ?? out.size;
    const late = entry.descriptor === true;
    const z = entry.zip64 === true;
    const localName = local.name === undefined
      ? name
      : new TextEncoder().encode(local.name);
    const localExtra = new Writer();
    if (z) {
      localExtra.u16(1).u16(16).u64(late ? 0 : size).u64(
        late ? 0 : stored.length,
      );
    }
    localExtra.bytes(local.extra ?? new Uint8Array(0));
    out.u32(local.signature ?? 0x04034b50).u16(z ? 45 : 20)
      .u16(local.flags ?? flags).u16(local.method ?? method).u32(0x5c210000)
      .u32(late ? 0 : local.crc ?? crc)
      .u32(z ? 0xffffffff : late ? 0 : stored.length)
      .u32(z ? 0xffffffff : late ? 0 : local.size ?? size)
      .u16(localName.length).u16(localExtra.size)
      .bytes(localName).bytes(localExtra.all()).bytes(stored);
    if (late) {
      out.u32(0x08074b50).u32(crc);
      if (z) out.u64(stored.length).u64(size);
      else out.u32(stored.length).u32(size);
    }
    const extra = new Writer();
    if (z) extra.u16(1).u16(24).u64(size).u64(stored.length).u64(at);
    directory.u32(0x02014b50).u16(3 << 8 | 63).u16(z ? 45 : 20).u16(flags)
      .u16(method).u32(0x5c210000).u32(crc)
      .u32(z ? 0xffffffff : stored.length).u32(z ? 0xffffffff : size)
      .u16(name.length).u16(extra.size).u16(0).u16(entry.disk ?? 0).u16(0)
      .u32(((entry.mode ?? 0o100644) << 16) >>> 0).u32(z ? 0xffffffff : at)
      .bytes(name).bytes(extra.all());
  }
  const start = options.directory?.offset ??
    out.size - (options.before?.length ?? 0);
  const size = options.directory?.size ?? directory.size;
  const count = options.directory?.count ?? entries.length;
  out.bytes(directory.all());
  const { zip64 = false, disk = 0 } = options;
  if (zip64) {
    const at = out.size;
    out.u32(0x06064b50).u64(44).u16(45).u16(45).u32(0).u32(0)
      .u64(count).u64(count).u64(size).u64(start)
      .u32(0x07064b50).u32(0).u64(at).u32(1);
  }
  const comment = new TextEncoder().encode(options.comment ?? "");
  out.u32(0x06054b50).u16(disk).u16(0)
    .u16(zip64 ? 0xffff : count).u16(zip64 ? 0xffff : count)
    .u32(zip64 ? 0xffffffff : size).u32(zip64 ? 0xffffffff : start)
    .u16(comment.length).bytes(comment);
  return out.all();
}

class Writer {
  readonly #pieces: Uint8Array[] = [];
  size = 0;

  bytes(bytes: Uint8Array): this {
    this.#pieces.push(bytes);
    this.size += bytes.length;
    return this;
  }

  u16(value: number): this {
    return this.#number(value, 2);
  }

  u32(value: number): this {
    return this.#number(value, 4);
  }

  u64(value: number): this {
    return this.#number(value, 8);
  }

  #number(value: number, size: number): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
    return this.bytes(bytes.subarray(0, size));
  }

  all(): Bytes {
    const all = new Uint8Array(this.size);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }
}
