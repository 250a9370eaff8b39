/**
 * Digests of images, checked while their bytes pass.
 *
 * @module
 */

import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { fillExactly } from "../block/read_exactly.ts";
import type { BlockReader, ReadOptions } from "../block/reader.ts";
import type { SpoolProgress } from "../block/store.ts";
import { ReadError } from "../errors.ts";

/** What the bytes of a file must hash to. */
export interface Digest {
  /** The hash function. */
  readonly algorithm: "sha256" | "sha512";
  /** Lower case, as many digits as the function gives. */
  readonly hex: string;
}

const HASHES = { sha256, sha512 };
const FORM = /^(?:(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128}))$/;
/** Bytes read at once when a whole file is checked. */
const PIECE = 1 << 20;

/**
 * Reads `sha256:` or `sha512:` and the digest in lower-case hexadecimal.
 *
 * @throws {RangeError} when it is not of this form
 */
export function parseDigest(text: string): Digest {
  const [, short, shortHex, long, longHex] = FORM.exec(text) ?? [];
  const algorithm = (short ?? long) as Digest["algorithm"] | undefined;
  if (algorithm === undefined) {
    throw new RangeError(
      `Cannot use digest ${
        JSON.stringify(text)
      }, expected sha256: and 64 or sha512: and 128 digits of 0-9 and a-f`,
    );
  }
  return { algorithm, hex: (shortHex ?? longHex)! };
}

/** A reader that checks a digest. */
export interface DigestReader extends BlockReader {
  /** Bytes from the start that were hashed so far: `size` when the digest was found right. */
  readonly verified: number;
}

/**
 * Checks the digest of a file as far as it is read from its start to its end: reads that go on where
 * the hash stands are hashed, others are not looked at. The read that completes a wrong file rejects,
 * and all later ones.
 *
 * @throws {ReadError} `digest.mismatch`, of reads
 */
export function withDigest(reader: BlockReader, digest: Digest): DigestReader {
  const hash = HASHES[digest.algorithm].create();
  let verified = 0;
  let wrong: ReadError | undefined;
  const compare = () => {
    const found = [...hash.digest()]
      .map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (found !== digest.hex) wrong = mismatch(reader, digest, found);
  };
  const add = (offset: number, bytes: Uint8Array) => {
    if (offset > verified || offset + bytes.length <= verified) return;
    hash.update(bytes.subarray(verified - offset));
    verified = offset + bytes.length;
    if (verified === reader.size) compare();
  };
  if (reader.size === 0) compare();
  return {
    blockSize: reader.blockSize,
    size: reader.size,
    name: reader.name,
    identity: reader.identity,
    get verified() {
      return verified;
    },
    async read(offset, into, options) {
      if (wrong !== undefined) throw wrong;
      const count = await reader.read(offset, into, options);
      add(offset, into.subarray(0, count));
      if (wrong !== undefined) throw wrong;
      return count;
    },
  };
}

/**
 * Reads a whole file to check its digest.
 *
 * @throws {ReadError} `digest.mismatch`
 */
export async function verifyDigest(
  reader: BlockReader,
  digest: Digest,
  options: ReadOptions & {
    readonly onProgress?: ((progress: SpoolProgress) => void) | undefined;
  } = {},
): Promise<void> {
  const checked = withDigest(reader, digest);
  const { name, size } = reader;
  const piece = new Uint8Array(PIECE);
  // also of an empty file: the first read is what rejects
  for (let offset = 0; offset === 0 || offset < size;) {
    const part = piece.subarray(0, Math.min(PIECE, size - offset));
    await fillExactly(checked, offset, part, options);
    offset += Math.max(1, part.length);
    options.onProgress?.({ name, done: Math.min(offset, size), size });
  }
}

function mismatch(
  { name, size }: BlockReader,
  { algorithm, hex }: Digest,
  found: string,
): ReadError {
  return new ReadError(
    "digest.mismatch",
    `Cannot use "${name}": its ${algorithm} over ${size} bytes is ${found}, expected ${hex}; the file is damaged or another one, fetch it again`,
    { facts: { name, size, algorithm, found, expected: hex } },
  );
}
