import assert from "node:assert/strict";
import test from "node:test";
import type { ErofsVersion } from "../../scripts/fixtures/erofs_tool.ts";
import { openMemory } from "../../src/block/memory.ts";
import { readExactly } from "../../src/block/read_exactly.ts";
import { openErofs } from "../../src/format/erofs/open.ts";
import { randomNumbers } from "../fuzz/mutate.ts";
import { withHead2 } from "../support/erofs_head2.ts";
import { makeErofsImage, missingMkfs } from "../support/erofs_mkfs.ts";

const missing = missingMkfs("1.5") ?? missingMkfs("1.8.6");
const options = missing === undefined ? {} : { skip: missing };

type Next = () => number;
type Files = Map<string, Uint8Array<ArrayBuffer>>;

const pick = <T>(next: Next, from: readonly T[]): T =>
  from[next() % from.length]!;

function randomBytes(size: number, next: Next): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, next);
}

/** Lengths at and around the sizes that erofs counts in. */
const SIZES = [
  1,
  17,
  100,
  511,
  512,
  600,
  2048,
  3000,
  4095,
  4096,
  4097,
  5000,
  8192,
  12345,
  65536,
  100000,
  300000,
];

/** Bytes of one kind: noise, one value, words, or a part of what was made before. */
function makePart(
  next: Next,
  pool: readonly Uint8Array<ArrayBuffer>[],
): Uint8Array<ArrayBuffer> {
  const size = pick(next, SIZES);
  switch (next() % 5) {
    case 0:
      return randomBytes(size, next);
    case 1:
      return new Uint8Array(size).fill(next());
    case 2: {
      const words = Array.from({ length: 20 }, () => `word${next()} `);
      const text = Array.from(
        { length: size / 5 + 1 },
        () => pick(next, words),
      );
      return new TextEncoder().encode(text.join("")).slice(0, size);
    }
    case 3:
      if (pool.length > 0) {
        const other = pick(next, pool);
        return other.slice(next() % other.length);
      }
      return new Uint8Array(size);
    default:
      return Uint8Array.from({ length: size }, () => next() % 4);
  }
}

function makeFiles(next: Next): Files {
  const pool: Uint8Array<ArrayBuffer>[] = [];
  const files: Files = new Map();
  for (let file = next() % 8; file >= 0; file--) {
    const parts = Array.from({ length: 1 + next() % 5 }, () => {
      const part = makePart(next, pool);
      pool.push(part);
      return part;
    });
    files.set(`file${file}`, concat(...parts));
  }
  return files;
}

function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Options of mkfs.erofs in any combination that it writes right. */
function makeOptions(next: Next, version: ErofsVersion): string[] {
  const fresh = version === "1.8.6";
  const options: string[] = [];
  const extended: string[] = [];
  if (next() % 8 === 0) {
    options.push(`--chunksize=${pick(next, [4096, 8192, 65536])}`);
  } else {
    const algorithms = fresh
      ? ["lz4", "lz4hc", "lzma", "deflate", "zstd", "lz4:zstd:deflate"]
      : ["lz4", "lz4hc"];
    options.push(`-z${pick(next, algorithms)}`);
    const pcluster = pick(next, [0, 4096, 8192, 65536, 262144, 1048576]);
    if (pcluster > 0) options.push(`-C${pcluster}`);
    // both: mkfs.erofs 1.8.6 may leave a tail as it would inline it in a block that reads as rotated
    const tail = next() % 3;
    if (tail === 0) extended.push("ztailpacking");
    else if (fresh && tail === 1) {
      extended.push(pick(next, ["fragments", "all-fragments"]));
    }
    if (fresh && next() % 3 === 0) extended.push("dedupe");
    if (next() % 4 === 0) extended.push("legacy-compress");
    if (fresh && next() % 4 === 0) {
      options.push(`--max-extent-bytes=${pick(next, [4096, 5000, 65536])}`);
    }
  }
  if (next() % 4 === 0) extended.push("force-inode-extended");
  if (fresh && next() % 3 === 0) {
    options.push(`-b${pick(next, [512, 1024, 2048])}`);
  }
  return extended.length === 0
    ? options
    : [...options, `-E${extended.join(",")}`];
}

/** Reads every file as a whole, by a new reader, and in pieces. */
async function assertHolds(
  image: Uint8Array<ArrayBuffer>,
  files: Files,
  what: string,
  next: Next,
): Promise<void> {
  const opened = await openErofs(openMemory(image));
  for (const [name, expected] of files) {
    const { length } = expected;
    const content = await opened.open(`/${name}`);
    assert.equal(content.size, length, what);
    const ranges = Array.from({ length: 6 }, () => {
      const offset = next() % length;
      return [offset, 1 + next() % (length - offset)] as const;
    });
    for (const [offset, size] of [...ranges, [0, length] as const]) {
      const found = await readExactly(content, offset, size);
      const wanted = expected.subarray(offset, offset + size);
      assert.ok(
        found.every((byte, i) => byte === wanted[i]),
        `${what}: ${name} differs in ${size} bytes at ${offset}`,
      );
    }
  }
}

test(
  "openErofs() reads what mkfs.erofs was given, whatever its options",
  options,
  async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const next = randomNumbers(seed);
      const version = seed % 3 === 0 ? "1.5" : "1.8.6";
      const files = makeFiles(next);
      const options = makeOptions(next, version);
      const what = `seed ${seed}: mkfs.erofs ${version} ${options.join(" ")}`;
      const image = await makeErofsImage(version, options, files);
      await assertHolds(image, files, what, next);
    }
  },
);

test(
  "openErofs() reads HEAD2 beside extents that are stored as they are",
  options,
  async () => {
    const next = randomNumbers(1);
    const text = new TextEncoder().encode("the same words again ".repeat(2000));
    for (const more of ["", ",legacy-compress"]) {
      for (const pcluster of [4096, 65536]) {
        const options = ["-zlz4", `-C${pcluster}`, `-Enoinline_data${more}`];
        // more than a pcluster, or it would be compressed together with the text
        const noise = () => randomBytes(3 * pcluster, next);
        const files: Files = new Map([
          ["noise-first", concat(noise(), text, noise(), text)],
          ["noise-last", concat(text, noise())],
        ]);
        const made = await makeErofsImage("1.8.6", options, files);
        const { bytes, counts } = await withHead2(made, {
          every: 2,
          algorithms: (algorithm) => algorithm | algorithm << 4,
        });
        const { head1, head2, plain } = counts;
        assert.ok(head1 > 0 && head2 > 0 && plain > 1, JSON.stringify(counts));
        await assertHolds(bytes, files, options.join(" "), next);
      }
    }
  },
);

test(
  "openErofs() reads noise that is inlined in the packed inode",
  options,
  async () => {
    const next = randomNumbers(2);
    // 300 bytes: less than a block, and no compressor makes them less
    const files: Files = new Map([["noise", randomBytes(300, next)]]);
    const options = ["-zlz4", "-Eztailpacking,all-fragments"];
    const image = await makeErofsImage("1.8.6", options, files);
    await assertHolds(image, files, options.join(" "), next);
  },
);

test(
  "openErofs() reads a tail of more than 12 MiB out of the packed inode",
  options,
  async () => {
    const next = randomNumbers(3);
    const unit = randomBytes(1 << 16, next);
    const long = concat(...Array.from({ length: 208 }, (_, i) => {
      unit[i]! ^= 1; // or the parts of the file could stand for each other
      return unit.slice();
    }));
    const files: Files = new Map([
      ["first", long],
      ["second", concat(new Uint8Array(5000), long)],
    ]);
    const options = ["-zlz4", "-C65536", "-Eall-fragments"];
    const image = await makeErofsImage("1.8.6", options, files);
    assert.ok(image.length < 1.5 * long.length, `${image.length} bytes`);
    await assertHolds(image, files, options.join(" "), next);
  },
);
