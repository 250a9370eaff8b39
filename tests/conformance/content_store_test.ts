import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { openDiskStore } from "../../src/adapters/node/disk_store.ts";
import { openMemory } from "../../src/block/memory.ts";
import { memoryStore } from "../../src/block/memory_store.ts";
import type { BlockReader, ReadOptions } from "../../src/block/reader.ts";
import { openSpooled } from "../../src/block/spool.ts";
import type { ContentStore, StoreKey } from "../../src/block/store.ts";
import { withStore } from "../../src/block/with_store.ts";
import { blockReaderConformance } from "./block_reader.ts";
import { contentStoreConformance, type MakeStore } from "./content_store.ts";

const memory: MakeStore = (maxBytes) =>
  Promise.resolve({ store: memoryStore({ maxBytes }) });

// all in one, since not every case closes what it made
const root = await fs.mkdtemp(join(tmpdir(), "fastboop-stores-"));
after(() => fs.rm(root, { recursive: true }));

const disk: MakeStore = async (maxBytes) => {
  const folder = await fs.mkdtemp(join(root, "disk-"));
  const open = () => openDiskStore(folder, { maxBytes });
  return {
    store: open(),
    again: open,
    async corrupt({ identity }: StoreKey, offset: number) {
      const hash = createHash("sha256").update(identity).digest("hex");
      const entry = join(folder, "v1", hash);
      const data = (await fs.readdir(entry)).find((name) =>
        name.startsWith("data-")
      );
      const file = await fs.open(join(entry, data!), "r+");
      const byte = new Uint8Array(1);
      await file.read(byte, 0, 1, offset);
      byte[0]! ^= 0x10;
      await file.write(byte, 0, 1, offset);
      await file.close();
    },
  };
};

contentStoreConformance("memoryStore()", memory);
contentStoreConformance("openDiskStore()", disk);

/** The suite of readers, over a store that has nothing and over one that has everything. */
function overStore(name: string, make: MakeStore): void {
  blockReaderConformance(`withStore() over ${name}`, async (bytes) => {
    const under = await make();
    const reader = await withStore(openMemory(bytes), under.store);
    return {
      reader,
      close: async () => {
        await reader.close();
        await under.close?.();
      },
    };
  }, {
    over: async (source) => {
      const under = await make();
      return await withStore(source, under.store);
    },
  });
  blockReaderConformance(`withStore() over full ${name}`, async (bytes) => {
    const under = await make();
    const source = openMemory(bytes);
    const first = await withStore(source, under.store);
    await first.read(0, new Uint8Array(bytes.length));
    await first.close();
    const reader = await withStore(source, under.store);
    return {
      reader,
      close: async () => {
        await reader.close();
        await under.close?.();
      },
    };
  });
}

overStore("memoryStore()", memory);
overStore("openDiskStore()", disk);

const unusable: ContentStore = {
  open: () => Promise.reject(new Error("there is no place")),
};
blockReaderConformance(
  "withStore() over a store that is none",
  async (bytes) => {
    return { reader: await withStore(openMemory(bytes), unusable) };
  },
  { over: (source) => withStore(source, unusable) },
);

/** Content of a reader, piece by piece. */
function streamOf(
  source: BlockReader,
  options: ReadOptions,
): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    async pull(controller) {
      const piece = new Uint8Array(Math.min(5000, source.size - at));
      at += await source.read(at, piece, options);
      if (piece.length > 0) controller.enqueue(piece);
      if (at === source.size) controller.close();
    },
  }, { highWaterMark: 0 });
}

function spooled(
  name: string,
  options: { size: boolean; ahead?: number; store?: () => ContentStore },
): void {
  const open = (source: BlockReader) =>
    openSpooled({
      key: {
        identity: source.identity,
        name: source.name,
        size: options.size ? source.size : undefined,
      },
      source: (signal) => streamOf(source, { signal }),
      store: options.store?.(),
      ahead: options.ahead,
    });
  const working = "the work goes on from where it was, it is not done again";
  blockReaderConformance(`openSpooled() ${name}`, async (bytes) => {
    const reader = await open(openMemory(bytes));
    return { reader, close: () => reader.close() };
  }, {
    skip: { "lets a reader leave at once": working },
    ...options.size && { over: open },
  });
}

spooled("of known size", { size: true });
spooled("of known size, in small steps", { size: true, ahead: 0 });
spooled("all at once", { size: true, ahead: Infinity });
spooled("of unknown size", { size: false });
spooled("with a store without room", {
  size: true,
  store: () => memoryStore({ maxBytes: 20_000 }),
});
spooled("with a store that is none", { size: true, store: () => unusable });
