/**
 * The made-up disk in every form of every compressor, as its own program unpacks it.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "node:test";
import { findFixture } from "../../scripts/fixtures/all.ts";
import { PACKED } from "../../scripts/fixtures/compressed.ts";
import { openFile } from "../../src/adapters/node/file.ts";
import { webWorkers } from "../../src/adapters/web_worker.ts";
import { openMemory } from "../../src/block/memory.ts";
import { memoryStore } from "../../src/block/memory_store.ts";
import { readExactly } from "../../src/block/read_exactly.ts";
import type { BlockReader } from "../../src/block/reader.ts";
import { isCoded, ReadError } from "../../src/errors.ts";
import { openBzip2 } from "../../src/format/bzip2/open.ts";
import type {
  CompressedReader,
  DecodeOptions,
} from "../../src/format/compressed/reader.ts";
import { openGzip } from "../../src/format/gzip/open.ts";
import { openLz4 } from "../../src/format/lz4/open.ts";
import { openXz } from "../../src/format/xz/open.ts";
import { openZstd } from "../../src/format/zstd/open.ts";
import { CodecPool } from "../../src/wasm/pool.ts";
import { assertSame, unpack } from "../support/packed_reader.ts";

const MIB = 1 << 20;

type Open = (
  image: BlockReader,
  options?: DecodeOptions,
) => Promise<CompressedReader>;

const OPENERS: Readonly<Record<string, { open: Open; argv: string[] }>> = {
  xz: { open: openXz, argv: ["xz", "-dc"] },
  gz: { open: openGzip, argv: ["gzip", "-dc"] },
  zst: { open: openZstd, argv: ["zstd", "-qdc"] },
  lz4: { open: openLz4, argv: ["lz4", "-dc"] },
  bz2: { open: openBzip2, argv: ["bzip2", "-dc"] },
};

/** Name of the file; how it can be read, and in how many parts. */
const FILES: Readonly<Record<string, readonly [string, number?]>> = {
  "blocks.xz": ["random", 29],
  "single.xz": ["forward", 1],
  "large.xz": ["random", 3],
  "none.xz": ["random", 15],
  "crc32.xz": ["random", 15],
  "sha256.xz": ["random", 15],
  "x86.xz": ["random", 8],
  "arm.xz": ["random", 8],
  "delta.xz": ["random", 8],
  "streams.xz": ["random", 3],
  "single.gz": ["forward"],
  "members.gz": ["forward"],
  "blocks.gz": ["random", 225],
  "single.zst": ["forward", 1],
  "stream.zst": ["forward"],
  "parallel.zst": ["forward"],
  "frames.zst": ["random", 3],
  "seekable.zst": ["random", 57],
  "frame.lz4": ["forward", 1],
  "plain.lz4": ["forward"],
  "linked.lz4": ["forward", 1],
  "frames.lz4": ["forward"],
  "single.bz2": ["forward"],
  "streams.bz2": ["forward"],
};

const path = findFixture("packed");
const folder = dirname(path ?? "");
const disk = path === undefined ? undefined : readFileSync(path);
const skip = path === undefined ? "missing: deno task fixtures packed" : false;

function opener(file: string) {
  return OPENERS[file.slice(file.lastIndexOf(".") + 1)]!;
}

/** What the format's own program says is in the file. */
function nativeSha256(file: string): string {
  const { argv: [program, ...args] } = opener(file);
  const { stdout, status, stderr } = spawnSync(
    "sh",
    ["-c", 'f="$1"; shift; "$@" "$f" | sha256sum', "sh", join(folder, file)]
      .concat(program!, ...args),
  );
  assert.equal(status, 0, stderr.toString());
  return stdout.toString().slice(0, 64);
}

async function sha256(reader: BlockReader): Promise<string> {
  const hash = createHash("sha256");
  const piece = new Uint8Array(MIB);
  for (let at = 0; at < reader.size;) {
    const count = await reader.read(at, piece);
    hash.update(piece.subarray(0, count));
    at += count;
  }
  return hash.digest("hex");
}

/** Places all over the disk, always the same. */
function* places(count: number): Generator<number> {
  for (let i = 0, x = 7; i < count; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    yield x % disk!.length;
  }
}

for (const [file, [access, parts]] of Object.entries(FILES)) {
  test(`${file} holds what its own program unpacks`, { skip }, async () => {
    const image = await openFile(join(folder, file));
    const { open } = opener(file);
    const reader = await open(image);
    try {
      assert.equal(reader.size, disk!.length);
      assert.equal(reader.access, access);
      assert.equal(reader.parts, parts);
      assert.equal(reader.storedSize, image.size);
      assert.equal(await sha256(reader), nativeSha256(file));
    } finally {
      await reader.close();
      await image.close();
    }
  });
}

for (
  const file of ["blocks.xz", "large.xz", "blocks.gz", "seekable.zst"]
) {
  test(
    `${file} is read at any place, by several at a time`,
    { skip },
    async () => {
      const image = await openFile(join(folder, file));
      const reader = await opener(file).open(image, {
        maxCachedBytes: 16 * MIB,
        // where blocks of 40 MiB go
        store: memoryStore(),
      });
      const all = [...places(60)];
      for (let at = 0; at < all.length; at += 6) {
        await Promise.all(
          all.slice(at, at + 6).map(async (offset, i) => {
            const size = Math.min(i * 70_001 + 1, disk!.length - offset);
            const found = await readExactly(reader, offset, size);
            const wanted = disk!.subarray(offset, offset + size);
            assert.ok(wanted.equals(found), `${size} bytes at ${offset}`);
          }),
        );
      }
      await reader.close();
      await image.close();
    },
  );
}

const noXz = spawnSync("xz", ["--version"]).error !== undefined;
test("openXz() does without a store that has no room for a large block", {
  skip: noXz ? "missing: apt-get install xz-utils" : false,
}, async () => {
  const size = 300 * MIB + 1;
  const { stdout } = spawnSync("sh", [
    "-c",
    `{ head -c ${size - 1} /dev/zero; printf x; } | xz -c0 -T1`,
  ]);
  const reader = await openXz(openMemory(new Uint8Array(stdout)), {
    store: {
      open: () =>
        Promise.reject(new ReadError("store.unusable", "Cannot keep anything")),
    },
  });
  assert.equal(reader.size, size);
  const places = [0, 5 * MIB, 2 * MIB, 60 * MIB];
  for (const at of places) {
    const found = await readExactly(reader, at, 1000);
    assert.ok(found.every((byte) => byte === 0));
  }
  await reader.close();
});

const createWorker = webWorkers();
test("compressed files are decoded in workers, and this thread stays free", {
  skip: skip || (createWorker === undefined ? "no web workers here" : false),
}, async () => {
  const pool = new CodecPool({ createWorker });
  let last = performance.now(), longest = 0;
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  try {
    for (const file of ["large.xz", "single.gz", "single.zst", "single.bz2"]) {
      const image = await openFile(join(folder, file));
      const reader = await opener(file).open(image, { pool });
      assert.equal(await sha256(reader), nativeSha256(file));
      await reader.close();
      await image.close();
    }
  } finally {
    clearInterval(timer);
    pool.close();
  }
  assert.ok(longest > 0);
});

/** Places of a file at which its structures lie, with some around them, and some in between. */
function structures(size: number): number[] {
  const start = [0, 4, 5, 6, 8, 12, 13, 17, 20, 40];
  const end = [1, 2, 4, 6, 8, 9, 10, 12, 13, 16, 17, 20, 28, 40, 100];
  const middle = [1, 2, 3, 4, 5].map((i) => Math.floor(size * i / 6));
  return [...start, ...middle, ...end.map((back) => size - back)];
}

for (const [file, argv] of Object.entries(PACKED)) {
  if (file === "legacy.lz4") continue;
  const program = argv[0] === "sh" ? "zstd" : argv[0]!;
  const none = spawnSync(program, ["--help"]).error !== undefined;
  test(`${file} cut short or with flipped bits is an error or right`, {
    skip: skip || (none ? `missing: ${program}` : false),
  }, async () => {
    const content = disk!.subarray(0, 700_000);
    const words = argv.map((word) =>
      word.replace(/^--block-size=.*/, "--block-size=100KiB")
    );
    const input = join(mkdtempSync(join(tmpdir(), "packed-")), "input");
    writeFileSync(input, content);
    const [command, ...args] = words;
    const packed = spawnSync(command!, [...args, input]);
    rmSync(dirname(input), { recursive: true });
    assert.equal(packed.status, 0, packed.stderr.toString());
    const whole = new Uint8Array(packed.stdout);
    const { open } = opener(file);
    assertSame(await unpack(open, whole), content);

    const places = structures(whole.length);
    const cuts = [...new Set(places)].filter((size) => size < whole.length);
    for (const size of cuts) {
      // bgzip ends its files with an empty member, which may be missing
      if (file === "blocks.gz" && size === whole.length - 28) continue;
      // pzstd begins with a frame that holds nothing
      if (file === "parallel.zst" && size === 12) continue;
      await assert.rejects(unpack(open, whole.slice(0, size)), (error) => {
        assert.ok(isCoded(error), String(error));
        return !error.code.startsWith("wasm.");
      }, `${size} of ${whole.length} bytes`);
    }
    for (const at of places) {
      const damaged = whole.slice();
      damaged[at]! ^= 1 << at % 8;
      try {
        const found = await unpack(open, damaged);
        // without a check, content may be other bytes
        if (file !== "none.xz") assertSame(found, content, `byte ${at}`);
      } catch (error) {
        assert.ok(isCoded(error), `byte ${at}: ${error}`);
        assert.ok(!error.code.startsWith("wasm."), String(error));
      }
    }
  });
}
