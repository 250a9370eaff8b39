import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFile } from "../../src/adapters/node/file.ts";
import { openBlob } from "../../src/block/blob.ts";
import { withCache } from "../../src/block/cache.ts";
import { withCoalescing } from "../../src/block/coalesce.ts";
import { openMemory } from "../../src/block/memory.ts";
import type { BlockReader } from "../../src/block/reader.ts";
import { withReadAhead } from "../../src/block/read_ahead.ts";
import { withRecord } from "../../src/block/record.ts";
import { withSlice } from "../../src/block/slice.ts";
import { blockReaderConformance } from "./block_reader.ts";
import { ControlledSource } from "./controlled_source.ts";

blockReaderConformance(
  "openMemory()",
  (bytes) => Promise.resolve({ reader: openMemory(bytes) }),
);

blockReaderConformance(
  "openBlob() of a Blob",
  (bytes) => Promise.resolve({ reader: openBlob(new Blob([bytes])) }),
);
blockReaderConformance("openBlob() of a File", (bytes) => {
  const file = new File([bytes], "image", { lastModified: 1 });
  return Promise.resolve({ reader: openBlob(file) });
});
blockReaderConformance("openFile()", async (bytes) => {
  const folder = await fs.mkdtemp(join(tmpdir(), "reader-"));
  const path = join(folder, "image");
  await fs.writeFile(path, bytes);
  const reader = await openFile(path);
  const close = async () => {
    await reader.close();
    await fs.rm(folder, { recursive: true });
  };
  return { reader, close };
});

/** The suite over memory, and over a source that misbehaves. */
function wrapper(name: string, over: (source: BlockReader) => BlockReader) {
  blockReaderConformance(
    name,
    (bytes) => Promise.resolve({ reader: over(openMemory(bytes)) }),
    { over },
  );
}

wrapper("the source of these tests", (source) => source);
blockReaderConformance(
  "ControlledSource",
  (bytes) => Promise.resolve({ reader: new ControlledSource(bytes) }),
);
wrapper("withRecord()", withRecord);
wrapper("withSlice()", (source) => withSlice(source, { offset: 0 }));
blockReaderConformance("withSlice() in the middle", (bytes) => {
  const around = new Uint8Array(bytes.length + 1000);
  around.set(bytes, 333);
  const slice = { offset: 333, size: bytes.length };
  return Promise.resolve({ reader: withSlice(openMemory(around), slice) });
});
wrapper("withCache()", (source) => withCache(source));
wrapper(
  "withCache() of 4 small pages",
  (source) => withCache(source, { maxBytes: 2048, pageSize: 512 }),
);
wrapper(
  "withCache() of one page",
  (source) => withCache(source, { maxBytes: 4096, pageSize: 4096 }),
);
wrapper(
  "withCache() of pages larger than the reader",
  (source) => withCache(source, { maxBytes: 1 << 20, pageSize: 1 << 17 }),
);
wrapper("withCoalescing()", withCoalescing);
wrapper("withReadAhead()", (source) => withReadAhead(source));
wrapper(
  "withReadAhead() of small windows",
  (source) => withReadAhead(source, { min: 128, max: 4096, streams: 2 }),
);
wrapper(
  "all wrappers together",
  (source) => {
    const ahead = withReadAhead(withCoalescing(source), { min: 512 });
    const cached = withCache(ahead, { pageSize: 1024, maxBytes: 8192 });
    return withSlice(withRecord(cached), { offset: 0 });
  },
);
