import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { blockReaderConformance } from "../../../tests/conformance/block_reader.ts";
import {
  patternBytes,
  settle,
  within,
} from "../../../tests/conformance/controlled_source.ts";
import {
  makeCasync,
  memoryChunkStore,
  type StoredAs,
} from "../../../tests/support/casync_made.ts";
import { openMemory } from "../../block/memory.ts";
import { memoryStore } from "../../block/memory_store.ts";
import { readExactly } from "../../block/read_exactly.ts";
import { withRecord } from "../../block/record.ts";
import { isCoded } from "../../errors.ts";
import { zstdEncode } from "../../wasm/codecs.ts";
import { CodecPool } from "../../wasm/pool.ts";
import { type CasyncOptions, openCasync } from "./open.ts";

const BYTES = patternBytes(100_000);

async function made(
  options: Partial<CasyncOptions> = {},
  stored?: readonly StoredAs[],
) {
  const { index, files } = await makeCasync(BYTES, stored);
  const store = memoryChunkStore(files);
  const reader = await openCasync(openMemory(index, { name: "a.caibx" }), {
    store,
    ...options,
  });
  return { reader, store, files, index };
}

for (const digest of ["sha256", "sha512-256"] as const) {
  blockReaderConformance(`casync file, ${digest},`, async (bytes) => {
    const { index, files } = await makeCasync(bytes, undefined, digest);
    const store = memoryChunkStore(files);
    const reader = await openCasync(openMemory(index), {
      store,
      cacheBytes: 40_000,
    });
    assert.equal(reader.index.digest, digest);
    return { reader };
  });
}

blockReaderConformance("casync file, kept, in a pool,", async (bytes) => {
  const { index, files } = await makeCasync(bytes);
  const reader = await openCasync(openMemory(index), {
    store: memoryChunkStore(files),
    chunks: memoryStore(),
    cacheBytes: 0,
    parallel: 1,
    pool: new CodecPool(),
    hash: (algorithm, bytes) => createHash(algorithm).update(bytes).digest(),
  });
  return { reader, close: () => reader.close() };
});

test("openCasync() costs 2 reads of the index and no chunk", async () => {
  const { index, files } = await makeCasync(BYTES);
  const recorded = withRecord(openMemory(index));
  const store = memoryChunkStore(files);
  const reader = await openCasync(recorded, { store });
  assert.equal(recorded.report.requests, 2);
  assert.deepEqual(store.asked, []);
  assert.equal(reader.size, BYTES.length);
});

test("openCasync() fetches the chunks that a read touches, each once", async () => {
  const { reader, store } = await made({}, ["zstd"]);
  const into = new Uint8Array(10);
  await reader.read(4095, into); // chunks 0 and 1
  assert.deepEqual(into, BYTES.slice(4095, 4105));
  assert.equal(store.asked.length, 2);
  assert.ok(
    store.asked.every((path) => /^(\w{4})\/\1\w{60}\.cacnk$/.test(path)),
  );
  await reader.read(0, new Uint8Array(4600));
  assert.equal(store.asked.length, 2);
  // the same chunk, wanted by many at the same time
  await Promise.all(
    Array.from({ length: 50 }, () => reader.read(30_000, new Uint8Array(5))),
  );
  assert.equal(store.asked.length, 3);
});

test("openCasync() looks for a chunk without suffix where there is none with it", async () => {
  const { reader, store } = await made({}, ["bare"]);
  await reader.read(0, new Uint8Array(1));
  const [first, second] = store.asked;
  assert.equal(store.asked.length, 2);
  assert.equal(`${second}.cacnk`, first);
});

test("openCasync() takes a chunk of compressed data that is stored as it is", async () => {
  for (const magic of [[0x1f, 0x8b], [0x28, 0xb5, 0x2f, 0xfd]]) {
    const bytes = BYTES.slice(0, 3000);
    bytes.set(magic);
    const { index, files } = await makeCasync(bytes, ["raw"]);
    const store = memoryChunkStore(files);
    const reader = await openCasync(openMemory(index), { store });
    assert.deepEqual(await readExactly(reader, 0, 3000), bytes);
  }
});

test("openCasync() says which chunk is not in the store", async () => {
  const { reader, files } = await made();
  files.clear();
  await assert.rejects(reader.read(5000, new Uint8Array(1)), (error) => {
    assert.ok(isCoded(error, "casync.chunk-missing"), String(error));
    assert.match(error.message, /^Cannot read chunk 2 of "a\.caibx": neither /);
    return true;
  });
});

test("openCasync() fetches a wrong chunk once more, then says what is wrong", async () => {
  const wrong = async (
    change: (bytes: Uint8Array) => Uint8Array,
    stored: StoredAs,
  ) => {
    const { reader, store, files } = await made({}, [stored]);
    for (const [path, bytes] of files) files.set(path, change(bytes));
    const error = await reader.read(0, new Uint8Array(1)).then(
      () => undefined,
      (error) => error,
    );
    assert.equal(store.asked.length, 2);
    assert.ok(isCoded(error), String(error));
    return error.code;
  };
  const flipped = (bytes: Uint8Array) => {
    const copy = bytes.slice();
    copy[100]! ^= 1;
    return copy;
  };
  assert.equal(await wrong(flipped, "raw"), "casync.checksum-mismatch");
  assert.equal(await wrong(flipped, "gzip"), "casync.damaged");
  const cut = (bytes: Uint8Array) => bytes.slice(0, -1);
  for (const stored of ["raw", "gzip", "zstd"] as const) {
    assert.equal(await wrong(cut, stored), "casync.damaged", stored);
  }
  assert.equal(await wrong(() => new Uint8Array(0), "raw"), "casync.damaged");
});

test("openCasync() takes the second answer when the first one is wrong", async () => {
  const { index, files } = await makeCasync(BYTES, ["zstd"]);
  let asked = 0;
  const reader = await openCasync(openMemory(index), {
    store: (path) => {
      const bytes = files.get(path)!.slice();
      if (asked++ === 0) bytes.fill(0, 10);
      return Promise.resolve(bytes);
    },
  });
  assert.deepEqual(await readExactly(reader, 0, 100), BYTES.slice(0, 100));
  assert.equal(asked, 2);
});

test("openCasync() takes no more memory for a chunk than the index allows", async () => {
  const { index, files } = await makeCasync(BYTES, ["zstd"]);
  const stored = await zstdEncode(new Uint8Array(64 << 20));
  const reader = await openCasync(openMemory(index), {
    store: (path, { maxSize }) => {
      assert.ok(maxSize < 16384 * 1.125 + 65537);
      return Promise.resolve(files.has(path) ? stored : undefined);
    },
  });
  await assert.rejects(reader.read(0, new Uint8Array(1)), {
    code: "casync.damaged",
  });
});

test("openCasync() reads what it kept before, without the store", async () => {
  const chunks = memoryStore();
  const first = await made({ chunks });
  assert.deepEqual(await readExactly(first.reader, 0, BYTES.length), BYTES);
  await first.reader.close();
  await assert.rejects(first.reader.read(0, new Uint8Array(1)), {
    code: "read.closed",
  });
  const second = await made({ chunks });
  assert.deepEqual(await readExactly(second.reader, 0, BYTES.length), BYTES);
  assert.deepEqual(second.store.asked, []);
});

test("openCasync() heals what was kept wrong", async () => {
  const chunks = memoryStore();
  const keys: string[] = [];
  const spying = {
    open: (...[key, options]: Parameters<typeof chunks.open>) => {
      keys.push(key.identity);
      return chunks.open(key, options);
    },
  };
  const first = await made({ chunks: spying });
  await first.reader.read(0, new Uint8Array(1));
  await first.reader.close();
  const entry = await chunks.open({ identity: keys[0]!, name: "spoil" });
  await entry.write(0, new Uint8Array(16384).fill(7));
  await entry.close();

  const second = await made({ chunks: spying });
  assert.deepEqual(
    await readExactly(second.reader, 0, 100),
    BYTES.slice(0, 100),
  );
  assert.equal(second.store.asked.length, 1);
  await second.reader.close();
  const third = await made({ chunks: spying });
  assert.deepEqual(
    await readExactly(third.reader, 0, 100),
    BYTES.slice(0, 100),
  );
  assert.deepEqual(third.store.asked, []);
});

test("openCasync() does without a store that cannot be used", async () => {
  const broken = { open: () => Promise.reject(new Error("no disk")) };
  const { reader } = await made({ chunks: broken });
  assert.deepEqual(await readExactly(reader, 0, 100), BYTES.slice(0, 100));
  await reader.close();
});

test("openCasync() has no more chunks on their way than it may, and leaves none behind", async () => {
  const { index, files } = await makeCasync(BYTES, ["raw"]);
  let running = 0, most = 0, left = 0;
  let hold: Promise<void> | undefined;
  const reader = await openCasync(openMemory(index), {
    parallel: 3,
    cacheBytes: 0,
    async store(path, { signal }) {
      most = Math.max(most, ++running);
      try {
        await Promise.race([
          hold,
          new Promise((_, reject) =>
            signal.addEventListener("abort", () => {
              left++;
              reject(signal.reason);
            })
          ),
        ]);
        return files.get(path);
      } finally {
        running--;
      }
    },
  });
  const whole = () => readExactly(reader, 0, BYTES.length);
  hold = Promise.resolve();
  assert.deepEqual(await whole(), BYTES);
  assert.equal(most, 3);

  hold = new Promise(() => {});
  const reason = new Error("left");
  const controller = new AbortController();
  const reads = [1, 2, 3].map((i) =>
    reader.read(i * 20_000, new Uint8Array(30_000), {
      signal: controller.signal,
    })
  );
  for (const read of reads) read.catch(() => {});
  await settle();
  assert.equal(running, 3);
  controller.abort(reason);
  for (const read of reads) {
    await assert.rejects(within(2000, read), (error) => error === reason);
  }
  await settle();
  assert.equal(running, 0);
  assert.equal(left, 3);
  hold = Promise.resolve();
  assert.deepEqual(await within(2000, whole()), BYTES);
});

test("openCasync() keeps those who stay when another leaves", async () => {
  const { index, files } = await makeCasync(BYTES, ["raw"]);
  let go = () => {};
  const hold = new Promise<void>((resolve) => go = resolve);
  let asked = 0;
  const reader = await openCasync(openMemory(index), {
    async store(path) {
      asked++;
      await hold;
      return files.get(path);
    },
  });
  const leaving = new AbortController();
  const left = reader.read(0, new Uint8Array(10), { signal: leaving.signal });
  const into = new Uint8Array(10);
  const stays = reader.read(5, into);
  left.catch(() => {});
  await settle();
  leaving.abort(new Error("left"));
  await assert.rejects(left, /left/);
  go();
  assert.equal(await within(2000, stays), 10);
  assert.deepEqual(into, BYTES.slice(5, 15));
  assert.equal(asked, 1);
});

test("openCasync() ends every one of 1000 reads over a failing store", async () => {
  const { index, files } = await makeCasync(BYTES, ["raw"]);
  let failing = true;
  const reader = await openCasync(openMemory(index), {
    store: async (path) => {
      await Promise.resolve();
      if (failing) throw new Error("down");
      return files.get(path);
    },
  });
  const ends = await within(
    20_000,
    Promise.allSettled(
      Array.from(
        { length: 1000 },
        (_, i) => reader.read(i * 97, new Uint8Array(3000)),
      ),
    ),
  );
  assert.ok(ends.every(({ status }) => status === "rejected"));
  failing = false;
  assert.deepEqual(await readExactly(reader, 0, BYTES.length), BYTES);
});
