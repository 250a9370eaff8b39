/**
 * Compares an open file system with what another program found in the image.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { BlockReader } from "../../src/block/reader.ts";
import type { FileSystem, Inode } from "../../src/fs/filesystem.ts";
import type { ManifestEntry } from "../../scripts/fixtures/manifest.ts";

/** Differences named so far before the comparison stops. */
const ENOUGH = 20;

/** What {@linkcode compareWithManifest} found. */
export interface Comparison {
  /** One line a difference; empty when all is the same. */
  readonly differences: readonly string[];
  readonly paths: number;
  /** Bytes of content compared. */
  readonly bytes: number;
}

/** Compares every path, its attributes, its link target and the SHA-256 of its content. */
export async function compareWithManifest(
  files: FileSystem,
  manifest: readonly ManifestEntry[],
): Promise<Comparison> {
  const differences: string[] = [];
  const expected = new Map(manifest.map((entry) => [entry.path, entry]));
  let paths = 0;
  let bytes = 0;
  for await (const { path, inode } of files.walk("/")) {
    paths++;
    const entry = expected.get(path);
    expected.delete(path);
    if (entry === undefined) differences.push(`${path}: not in the manifest`);
    else {
      const found = await describe(files, inode);
      for (const [key, value] of Object.entries(found)) {
        const wanted = entry[key as keyof ManifestEntry];
        // the manifest leaves out what its program cannot tell
        if (wanted !== undefined && wanted !== value) {
          differences.push(`${path}: ${key} is ${value}, expected ${wanted}`);
        }
      }
      if (inode.type === "file") bytes += inode.size;
    }
    if (differences.length >= ENOUGH) return { differences, paths, bytes };
  }
  for (const path of [...expected.keys()].slice(0, ENOUGH)) {
    differences.push(`${path}: missing`);
  }
  return { differences, paths, bytes };
}

async function describe(
  files: FileSystem,
  inode: Inode,
): Promise<Partial<Record<keyof ManifestEntry, string | number>>> {
  const { type, mode, uid, gid, mtime, size } = inode;
  return {
    type,
    mode,
    uid,
    gid,
    mtime,
    ...(inode.rdev === undefined ? {} : { rdev: inode.rdev }),
    ...(type === "file"
      ? { size, sha256: await hash(files.source.open(inode)) }
      : {}),
    ...(type === "symlink"
      ? { size, target: await files.source.readLink(inode) }
      : {}),
  };
}

/** SHA-256 of all that a reader gives, hexadecimal. */
export async function hash(
  reader: BlockReader,
  step = 1 << 20,
): Promise<string> {
  const sum = createHash("sha256");
  const buffer = new Uint8Array(Math.min(step, reader.size));
  for (let offset = 0; offset < reader.size;) {
    const count = await reader.read(offset, buffer);
    if (count === 0) {
      throw new Error(`"${reader.identity}" ended at byte ${offset}`);
    }
    sum.update(buffer.subarray(0, count));
    offset += count;
  }
  return sum.digest("hex");
}
