/**
 * Reading all of an image, for benchmarks of file systems.
 *
 * @module
 */

import { openFile } from "../../src/adapters/node/file.ts";
import { withReadAhead } from "../../src/block/read_ahead.ts";
import type { BlockReader } from "../../src/block/reader.ts";
import type { FileSystem } from "../../src/fs/filesystem.ts";

const READ_BYTES = 1 << 20;

/** Reads every file of an image into memory, one after the other; gives the bytes of content. */
export async function readTree(
  path: string,
  open: (image: BlockReader) => Promise<FileSystem>,
): Promise<number> {
  const file = await openFile(path);
  try {
    const files = await open(withReadAhead(file));
    const buffer = new Uint8Array(READ_BYTES);
    let bytes = 0;
    for await (const { inode } of files.walk("/")) {
      if (inode.type !== "file") continue;
      const content = files.source.open(inode);
      for (let offset = 0; offset < content.size;) {
        offset += await content.read(offset, buffer);
      }
      bytes += content.size;
    }
    return bytes;
  } finally {
    await file.close();
  }
}
