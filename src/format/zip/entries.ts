import type { Entry } from "@zip.js/zip.js/lib/zip-core-reader.js";
import { decodeName } from "../../bytes/text.ts";
import { cleanName } from "../tar/names.ts";

/** How the content of an entry is stored: method 0 and 8 of APPNOTE.TXT, section 4.4.5. */
export type ZipMethod = "stored" | "deflate" | "other";

/** A member of an archive. */
export interface ZipEntry {
  /** Without `./`, `/` in front or behind and empty parts. */
  readonly name: string;
  /** What it is. */
  readonly type: "file" | "directory" | "symlink";
  /** Bytes of its content. */
  readonly size: number;
  /** Bytes in the archive. */
  readonly storedSize: number;
  /** How it is stored. */
  readonly method: ZipMethod;
  /** CRC-32 of its content. */
  readonly crc32: number;
  /** Byte of the archive at which its local header begins. */
  readonly headerOffset: number;
  /** Why it cannot be opened; absent when it can. */
  readonly problem?: ZipProblem;
  /** What its local header must repeat. */
  readonly repeated: {
    readonly name: Uint8Array;
    readonly method: number;
    readonly flags: number;
  };
}

/** Why an entry cannot be opened. */
export interface ZipProblem {
  /** Of the error that opening it throws. */
  readonly code:
    | "zip.unsupported-feature"
    | "zip.bad-name"
    | "zip.duplicate-name"
    | "zip.not-a-file";
  /** In words. */
  readonly text: string;
}

/** What zip.js knows besides what its types tell. */
type Parsed = Entry & { readonly rawBitFlag: number };

const FLAG_PATCHED = 1 << 5;

/** Methods that are known by a name (APPNOTE.TXT, section 4.4.5). */
const METHODS: Readonly<Record<number, string>> = {
  1: "shrunk",
  6: "imploded",
  9: "Deflate64",
  12: "bzip2",
  14: "LZMA",
  93: "Zstandard",
  95: "xz",
  98: "PPMd",
  99: "AES encryption",
};

/** One entry, with what is wrong with it alone. Nothing of `parsed` is kept: it is large. */
export function makeEntry(parsed: Entry): ZipEntry {
  const [name, badName] = cleanName(nameOf(parsed));
  const { compressionMethod, rawBitFlag } = parsed as Parsed;
  const type = parsed.directory
    ? "directory"
    : parsed.symlink
    ? "symlink"
    : "file";
  const problem = badName !== undefined
    ? { code: "zip.bad-name" as const, text: badName }
    : type !== "file"
    ? { code: "zip.not-a-file" as const, text: `it is a ${type}` }
    : unsupported(parsed as Parsed);
  return {
    name,
    type,
    size: parsed.uncompressedSize,
    storedSize: parsed.compressedSize,
    method: compressionMethod === 0
      ? "stored"
      : compressionMethod === 8
      ? "deflate"
      : "other",
    crc32: parsed.crc32 ?? 0,
    headerOffset: parsed.offset,
    ...(problem === undefined ? {} : { problem }),
    repeated: {
      name: parsed.rawFilename.slice(),
      method: compressionMethod,
      flags: rawBitFlag,
    },
  };
}

/**
 * UTF-8 where the bytes are that, whatever the flags say; else what zip.js makes of them, by code page
 * 437. It would take that for control characters as well.
 */
function nameOf({ filename, rawFilename }: Entry): string {
  const name = decodeName(rawFilename);
  return /[\udc80-\udcff]/u.test(name) ? filename : name;
}

/** The entries, those that have a name in common with another one refused. */
export function refuseDuplicates(entries: readonly ZipEntry[]): ZipEntry[] {
  const counts = new Map<string, number>();
  for (const { name } of entries) {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return entries.map((entry) => {
    const count = counts.get(entry.name)!;
    if (count === 1 || entry.problem !== undefined) return entry;
    const text = `${count} entries have this name`;
    return { ...entry, problem: { code: "zip.duplicate-name", text } };
  });
}

function unsupported(entry: Parsed): ZipProblem | undefined {
  const { compressionMethod: method, diskNumberStart } = entry;
  const known = METHODS[method];
  const text = entry.encrypted
    ? "it is encrypted"
    : diskNumberStart !== 0
    ? `it begins on disk ${diskNumberStart + 1}; join the parts by zip -s 0`
    : entry.rawBitFlag & FLAG_PATCHED
    ? "it is a patch"
    : method !== 0 && method !== 8
    ? `its method is ${method}${
      known === undefined ? "" : ` (${known})`
    }, expected 0 (stored) or 8 (deflate)`
    : undefined;
  return text === undefined
    ? undefined
    : { code: "zip.unsupported-feature", text };
}
