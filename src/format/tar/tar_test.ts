import assert from "node:assert/strict";
import test from "node:test";
import { blockReaderConformance } from "../../../tests/conformance/block_reader.ts";
import {
  ControlledSource,
  patternBytes,
  settle,
} from "../../../tests/conformance/controlled_source.ts";
import { madeSparse } from "../../../tests/support/made_sparse.ts";
import {
  base256,
  type MadeMember,
  madeMember,
  madeTar,
  pax,
  paxData,
  sealTarHeader,
} from "../../../tests/support/made_tar.ts";
import { concat } from "../../bytes/concat.ts";
import { openMemory } from "../../block/memory.ts";
import { readExactly } from "../../block/read_exactly.ts";
import type { BlockReader } from "../../block/reader.ts";
import { withRecord } from "../../block/record.ts";
import { type ErrorCode, FormatError, isCoded } from "../../errors.ts";
import { openSparse } from "../sparse/open.ts";
import type { TarEntry } from "./entries.ts";
import { openTar, openTarEntry } from "./open.ts";

const text = (value: string) => new TextEncoder().encode(value);
const coded = (...codes: ErrorCode[]) => (error: unknown) =>
  error instanceof FormatError && isCoded(error, ...codes) &&
  /^Cannot .+[^.]$/s.test(error.message);
const archive = (...members: MadeMember[]) => openMemory(madeTar(members));

async function list(image: BlockReader): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  for await (const entry of (await openTar(image)).entries()) {
    entries.push(entry);
  }
  return entries;
}

async function read(image: BlockReader, name: string): Promise<string> {
  const reader = await openTarEntry(image, name);
  const bytes = await readExactly(reader, 0, reader.size);
  return new TextDecoder().decode(bytes);
}

test("openTar() lists entries of every kind, with clean names", async () => {
  const image = archive(
    { name: "./", type: "5" },
    { name: "./a//b/./file", data: text("one"), mtime: 5 },
    { name: "/root/abs", data: text("two") },
    { name: "c/", type: "5", size: 0 },
    { name: "link", type: "2", linkName: "../target", size: 7 },
    { name: "hard", type: "1", linkName: "./a/b/file", size: 3 },
    { name: "null", type: "3" },
    { name: "disk", type: "4" },
    { name: "pipe", type: "6" },
    { name: "v7/", type: "\0" },
    { name: "v7/file", type: "\0", magic: "", data: text("old") },
    { name: "contiguous", type: "7", data: text("seven") },
    { name: "suffix", prefix: "long/prefix", data: text("p") },
    { name: "gnu", magic: "ustar  \0", prefix: "17777777777", data: text("g") },
  );
  const entries = await list(image);
  assert.deepEqual(
    entries.map(({ name, type, size }) => `${type} ${name} ${size}`),
    [
      "directory . 0",
      "file a/b/file 3",
      "file root/abs 3",
      "directory c 0",
      "symlink link 0",
      "hard-link hard 0",
      "character-device null 0",
      "block-device disk 0",
      "fifo pipe 0",
      "directory v7 0",
      "file v7/file 3",
      "file contiguous 5",
      "file long/prefix/suffix 1",
      "file gnu 1",
    ],
  );
  assert.equal(entries[1]!.mtime, 5);
  assert.equal(entries[1]!.mode, 0o644);
  assert.equal(entries[4]!.linkName, "../target");
  for (const name of ["a/b/file", "./a/b/file", "/a/b/file/", "hard"]) {
    assert.equal(await read(image, name), "one");
  }
  for (const name of ["link", "c", ".", "null"]) {
    await assert.rejects(read(image, name), coded("tar.not-a-file"));
  }
  await assert.rejects(read(image, "a/b"), coded("tar.not-found"));
  for (const name of ["", " ", "../x", "a/../b", "a\0"]) {
    await assert.rejects(read(image, name), TypeError);
  }
});

test("openTar() reads long names of GNU, and names, sizes and targets of PAX", async () => {
  const long = "d/".repeat(100) + "x".repeat(200);
  const image = archive(
    { name: "././@LongLink", type: "L", data: text(`${long}1\0`) },
    { name: "cut", data: text("1") },
    { name: "././@LongLink", type: "K", data: text(`${long}1\0`) },
    { name: "././@LongLink", type: "L", data: text(`${long}2\0`) },
    { name: "cut", type: "1", linkName: "cut" },
    pax({
      path: `${long}3`,
      size: "2",
      mtime: "12.75",
      "SCHILY.xattr.a": "b=c\n",
    }),
    { name: "cut", data: text("33"), size: 0 },
    pax({ path: "for all", comment: "no" }, "g"),
    { name: "first", data: text("f") },
    pax({ path: "own" }),
    { name: "second", data: text("s") },
    pax({ path: "" }), // takes it back
    { name: "third", data: text("t") },
    pax({ path: "" }, "g"),
    { name: "fourth", data: text("4") },
    pax({ path: "solaris" }, "X"),
    { name: "fifth", data: text("5") },
    pax({ path: Uint8Array.of(0x61, 0xff) }),
    { name: "sixth", data: text("6") },
  );
  const entries = await list(image);
  assert.deepEqual(entries.map(({ name }) => name), [
    `${long}1`,
    `${long}2`,
    `${long}3`,
    "for all",
    "own",
    "third",
    "fourth",
    "solaris",
    "a\udcff",
  ]);
  assert.equal(entries[2]!.mtime, 12);
  assert.equal(entries[1]!.headerOffset, 2 * 512 + 1024);
  assert.equal(await read(image, `${long}2`), "1");
  assert.equal(await read(image, `${long}3`), "33");
});

test("openTar() takes sizes of 8 GiB and more, in binary and of PAX", async () => {
  const size = 9 * 2 ** 30 + 512;
  for (const kind of ["base-256", "pax"]) {
    const head = kind === "pax"
      ? [
        ...madeMember(pax({ size: String(size) })),
        ...madeMember({ name: "huge" }),
      ]
      : [...madeMember({ name: "huge", size: base256(size) })];
    const { image } = await madeSparse([
      { raw: Uint8Array.from(head) },
      { skip: 1 },
      {
        raw: Uint8Array.from([
          ...madeMember({ name: "behind", data: text("b") }),
        ]),
      },
      { skip: 2 },
    ], { blockSize: 512 });
    // the chunk that is skipped is made large here, not in memory
    const view = new DataView(image.buffer);
    const chunk = 28 + 12 + head.length;
    view.setUint32(chunk + 4, size / 512, true);
    view.setUint32(16, view.getUint32(16, true) - 1 + size / 512, true);
    const disk = withRecord(await openSparse(openMemory(image)));
    const entries = await list(disk);
    assert.deepEqual(entries.map(({ name, size }) => [name, size]), [
      ["huge", size],
      ["behind", 1],
    ]);
    assert.equal(await read(disk, "behind"), "b");
    assert.ok(disk.report.bytes < 1 << 20, `${disk.report.bytes} bytes`);
  }
});

test("openTar() takes check sums of bytes with sign, and sizes in other dress", async () => {
  const bytes = (value: string) => text(value.padEnd(12, "\0"));
  const image = archive(
    { name: "größe", signed: true, data: text("1") },
    { name: "blanks", size: bytes("         1 "), data: text("2") },
    { name: "no zero", size: text("000000000001"), data: text("3") },
    { name: "empty", size: new Uint8Array(12) },
  );
  assert.deepEqual(
    (await list(image)).map(({ name, size }) => `${name} ${size}`),
    [
      "größe 1",
      "blanks 1",
      "no zero 1",
      "empty 0",
    ],
  );
});

test("openTar() lists what it cannot open, and refuses only that", async () => {
  const image = archive(
    { name: "volume", type: "V" },
    pax({ "SUN.holesdata": " 0 5" }),
    { name: "solaris", data: text("holes") },
    pax({
      "GNU.sparse.major": "2",
      "GNU.sparse.name": "newer",
      "GNU.sparse.realsize": "99",
    }),
    { name: "GNUSparseFile.0/newer", data: text("map") },
    { name: "../up", data: text("x") },
    { name: "rest", type: "M", data: text("of another") },
    { name: "odd", type: "Q", data: text("q") },
    { name: "names", type: "D", data: text("Yfile\0\0") },
    { name: "good", data: text("good") },
  );
  assert.deepEqual(
    (await list(image)).map(({ name, problem }) => `${name} ${problem?.code}`),
    [
      "volume tar.unsupported-feature",
      "solaris tar.unsupported-feature",
      "newer tar.unsupported-feature",
      "../up tar.bad-name",
      "rest tar.unsupported-feature",
      "odd tar.unsupported-feature",
      "names undefined",
      "good undefined",
    ],
  );
  for (const name of ["solaris", "newer", "rest", "odd"]) {
    await assert.rejects(
      read(image, name),
      (error) =>
        coded("tar.unsupported-feature")(error) &&
        String(error).includes(`"${name}"`),
    );
  }
  assert.equal(await read(image, "good"), "good");
  const tar = await openTar(image);
  for await (const entry of tar.entries()) {
    if (entry.name !== "../up") continue;
    await assert.rejects(tar.open(entry), coded("tar.bad-name"));
  }
});

/** 10,000 bytes of zeros, but for some in 30 places. */
const HOLES = new Uint8Array(10_000);
const PLACES = Array.from({ length: 30 }, (_, i) => [i * 300 + 100, i + 1]);
for (const [at, size] of PLACES) HOLES.fill(at!, at, at! + size!);
const STORED = new Uint8Array(
  PLACES.flatMap(([at, size]) => [...HOLES.subarray(at, at! + size!)]),
);

function padded(bytes: Uint8Array): Uint8Array {
  const blocks = new Uint8Array(Math.ceil(bytes.length / 512) * 512);
  blocks.set(bytes);
  return blocks;
}

/** A sparse file of form 1.0, with a map as it is. */
function sparseFile(map: string, stored = STORED, size = 10_000): MadeMember[] {
  const head = padded(text(map));
  const data = new Uint8Array(head.length + stored.length);
  data.set(head);
  data.set(stored, head.length);
  return [
    pax({
      "GNU.sparse.major": "1",
      "GNU.sparse.minor": "0",
      "GNU.sparse.name": "dir/file",
      "GNU.sparse.realsize": String(size),
    }),
    { name: "dir/GNUSparseFile.7/file", data },
  ];
}

/** The same file in the form of old GNU: 4 places in the header, 21 in each block behind it. */
function oldSparseFile(): MadeMember {
  const octal = (value: number) => text(value.toString(8).padStart(11, "0"));
  const data = new Uint8Array(1024 + STORED.length);
  data.set(STORED, 1024);
  return {
    name: "dir/file",
    type: "S",
    magic: "ustar  \0",
    data,
    size: STORED.length,
    edit(header) {
      for (const [i, [at, size]] of PLACES.entries()) {
        const to = i < 4
          ? 386 + i * 24
          : 512 + Math.floor((i - 4) / 21) * 512 + (i - 4) % 21 * 24;
        header.set(octal(at!), to);
        header.set(octal(size!), to + 12);
      }
      header[482] = header[512 + 504] = 1;
      header.set(octal(HOLES.length), 483);
    },
  };
}

test("openTar() reads files with holes in every form of GNU", async () => {
  const lines = [PLACES.length, ...PLACES.flat(), ""].join("\n");
  const parts = PLACES.map(([offset, numbytes]) =>
    paxData({
      "GNU.sparse.offset": String(offset),
      "GNU.sparse.numbytes": String(numbytes),
    })
  );
  const size = paxData({ "GNU.sparse.size": "10000" });
  const forms: Record<string, MadeMember[]> = {
    "1.0": sparseFile(lines),
    "0.1": [
      pax({
        "GNU.sparse.size": "10000",
        "GNU.sparse.name": "dir/file",
        "GNU.sparse.map": PLACES.flat().join(),
      }),
      { name: "dir/GNUSparseFile.7/file", data: STORED },
    ],
    "0.0": [
      { name: "x", type: "x", data: concat([size, ...parts]) },
      { name: "dir/file", data: STORED },
    ],
    old: [oldSparseFile()],
  };
  for (const [form, members] of Object.entries(forms)) {
    const image = archive(...members, { name: "next", data: text("n") });
    const [entry, next] = await list(image);
    assert.equal(entry!.name, "dir/file", form);
    assert.equal(entry!.size, HOLES.length);
    assert.equal(entry!.problem, undefined);
    assert.equal(next!.name, "next");
    const reader = await openTarEntry(image, "dir/file");
    assert.deepEqual(await readExactly(reader, 0, reader.size), HOLES, form);
    assert.equal(await read(image, "next"), "n");
  }
});

test("openTarEntry() reads a map of many lines, and little for a short one", async () => {
  const count = 60_000;
  const places = Array.from({ length: count }, (_, i) => `${i * 2}\n1\n`);
  const stored = new Uint8Array(count).fill(7);
  const long = [count, "\n", ...places].join("");
  const big = archive(...sparseFile(long, stored, count * 2));
  const reader = await openTarEntry(big, "dir/file");
  assert.deepEqual(
    await readExactly(reader, 99_990, 6),
    Uint8Array.of(7, 0, 7, 0, 7, 0),
  );
  const image = withRecord(archive(...sparseFile("1\n9000\n100\n")));
  const tar = await openTar(image);
  for await (const entry of tar.entries()) {
    image.reset();
    await tar.open(entry);
  }
  assert.equal(image.report.requests, 1);
});

test("openTar() gives a code for maps of holes that cannot be", async () => {
  const damaged = [
    "2\n100\n5\n104\n1\n", // one over the other
    "2\n100\n5\n0\n1\n", // not in their order
    "1\n9999\n2\n", // behind the end
    "1\n0\n9000\n", // more than is stored
    "1\n-1\n1\n",
    "1\n0\n9007199254740992\n",
    "x\n",
    "1 0 1",
    "2\n0\n1\n",
    "",
  ];
  for (const map of damaged) {
    const image = archive(...sparseFile(map));
    assert.equal((await list(image)).length, 1);
    await assert.rejects(
      openTarEntry(image, "dir/file"),
      coded("tar.damaged"),
      JSON.stringify(map),
    );
  }
  const odd = archive(
    pax({ "GNU.sparse.size": "9", "GNU.sparse.map": "0,1,2" }),
    { name: "odd", data: text("x") },
  );
  await assert.rejects(openTarEntry(odd, "odd"), coded("tar.damaged"));
  const endless = archive(...sparseFile("1".repeat(1 << 20)));
  await assert.rejects(
    openTarEntry(endless, "dir/file"),
    coded("tar.metadata-too-large"),
  );
  const maps = new Uint8Array((1 << 20) + 1024).fill(0x31);
  const old = archive({
    name: "old",
    type: "S",
    data: maps,
    edit: (header) => header[482] = 1,
  });
  await assert.rejects(list(old), coded("tar.metadata-too-large"));
  const sizeless = archive(
    pax({ "GNU.sparse.major": "1", "GNU.sparse.minor": "0" }),
    { name: "x" },
  );
  await assert.rejects(list(sizeless), coded("tar.damaged"));
});

test("openTarEntry() opens hard links only to what comes before them", async () => {
  const image = archive(
    { name: "early", type: "1", linkName: "file" },
    { name: "self", type: "1", linkName: "self" },
    { name: "file", data: text("x") },
    { name: "one", type: "1", linkName: "file" },
    { name: "two", type: "1", linkName: "one" },
    { name: "up", type: "1", linkName: "../file" },
    { name: "dangling", type: "1", linkName: "none" },
    { name: "to link", type: "1", linkName: "symlink" },
  );
  assert.equal(await read(image, "two"), "x");
  for (const name of ["early", "self", "dangling", "to link"]) {
    await assert.rejects(read(image, name), coded("tar.not-found"), name);
  }
  await assert.rejects(read(image, "up"), coded("tar.not-a-file"));
});

test("openTarEntry() takes the first of equal names, and reads no further", async () => {
  const big = new Uint8Array(1 << 20);
  const image = withRecord(archive(
    { name: "big", data: big },
    { name: "same", data: text("first") },
    { name: "more", data: big },
    { name: "same", data: text("second") },
  ));
  assert.equal(await read(image, "same"), "first");
  // two to list, one for the content
  assert.equal(image.report.requests, 3);
  assert.ok(image.report.bytes < 100_000, `${image.report.bytes} bytes`);
});

test("openTar() reads many small files by few reads, and passes over large ones", async () => {
  const small = withRecord(archive(
    ...Array.from({ length: 2000 }, (_, i) => ({
      name: `file-${i}`,
      data: patternBytes(i % 3000, i),
    })),
  ));
  const entries = await list(small);
  assert.equal(entries.length, 2000);
  assert.ok(small.report.requests <= 10, `${small.report.requests} reads`);
  const large = withRecord(archive(
    ...Array.from({ length: 20 }, (_, i) => ({
      name: `file-${i}`,
      data: new Uint8Array(1 << 20),
    })),
  ));
  assert.equal((await list(large)).length, 20);
  assert.ok(large.report.requests <= 22, `${large.report.requests} reads`);
  assert.ok(large.report.bytes <= 300_000, `${large.report.bytes} bytes`);
});

test("openTar() ends at a block of zeros or at the end of the file", async () => {
  const bytes = madeTar([{ name: "a", data: text("1") }]);
  assert.equal((await list(openMemory(bytes.subarray(0, 1024)))).length, 1);
  assert.equal((await list(openMemory(bytes.subarray(0, 1536)))).length, 1);
  const behind = new Uint8Array([...bytes, ...new Uint8Array(700).fill(9)]);
  assert.equal((await list(openMemory(behind))).length, 1);
  assert.deepEqual(await list(openMemory(new Uint8Array(10240))), []);
});

test("openTar() gives a code for what is none and what is damaged", async () => {
  for (
    const [size, code] of [[0, "tar.truncated"], [
      300,
      "tar.truncated",
    ]] as const
  ) {
    await assert.rejects(
      openTar(openMemory(new Uint8Array(size))),
      coded(code),
    );
  }
  await assert.rejects(
    openTar(openMemory(patternBytes(4096))),
    coded("tar.bad-magic"),
  );
  const field = (value: string) => text(value.padEnd(12, "\0"));
  const cases: [ErrorCode, ...MadeMember[]][] = [
    ["tar.damaged", { name: "a", size: field("12x") }],
    ["tar.damaged", { name: "a", size: new Uint8Array(12).fill(0xff) }], // -1
    ["tar.damaged", { name: "a", size: new Uint8Array(12).fill(0x80) }], // 2^88
    ["tar.damaged", pax({ size: "99999999999999999999" }), { name: "a" }],
    ["tar.damaged", pax({ size: "-1" }), { name: "a" }],
    ["tar.truncated", { name: "a", size: 1025 }],
    ["tar.truncated", pax({ size: "9007199254740991" }), { name: "a" }],
    ["tar.metadata-too-large", { name: "a", type: "x", size: 1048577 }],
    ["tar.metadata-too-large", {
      name: "a",
      type: "L",
      size: base256(2 ** 40),
    }],
    ["tar.truncated", { name: "a", type: "x", size: 1048576 }],
    ["tar.damaged", { name: "a", type: "x", data: text("5 a=b\n") }],
    ["tar.damaged", { name: "a", type: "x", data: text("99 a=b\n") }],
    ["tar.damaged", { name: "a", type: "g", data: text("x") }],
    ["tar.damaged", { name: "a", type: "x", data: text("0 a=b\n") }],
  ];
  for (const [code, ...members] of cases) {
    await assert.rejects(
      list(archive(...members)),
      coded(code),
      JSON.stringify(members),
    );
  }
});

const EVERYTHING = madeTar([
  { name: "./", type: "5" },
  pax({ path: "long name", size: "600" }),
  { name: "cut", data: patternBytes(600) },
  { name: "././@LongLink", type: "L", data: text("x".repeat(600)) },
  { name: "cut", data: patternBytes(10) },
  { name: "hard", type: "1", linkName: "long name" },
]);

test("openTar() gives the entries that are there, then a code, of an archive cut at any byte", async () => {
  const whole = await list(openMemory(EVERYTHING));
  const end = EVERYTHING.length - 1024;
  for (
    let size = 1;
    size < end;
    size += size % 512 === 0 || size % 512 === 511 ? 1 : 73
  ) {
    const image = openMemory(EVERYTHING.subarray(0, size));
    const found: TarEntry[] = [];
    try {
      for await (const entry of (await openTar(image)).entries()) {
        found.push(entry);
      }
      assert.equal(size % 512, 0);
    } catch (error) {
      assert.ok(coded("tar.truncated")(error), `${size}: ${error}`);
    }
    assert.deepEqual(found, whole.slice(0, found.length));
  }
});

test("openTar() finds any bit flipped in a header; where the sum is made right, it gives entries or a code", async () => {
  const headers = [0, 512, 1536, 2048 + 1024, 2048 + 1024 + 512 + 1024];
  for (const header of headers) {
    for (let at = header; at < header + 512; at += at % 512 < 345 ? 1 : 40) {
      const bytes = EVERYTHING.slice();
      bytes[at]! ^= 1 << at % 8;
      const isSum = at - header >= 148 && at - header < 156;
      if (!isSum) {
        await assert.rejects(
          list(openMemory(bytes)),
          coded("tar.checksum-mismatch", "tar.bad-magic"),
          `byte ${at}`,
        );
      }
      sealTarHeader(bytes, header);
      try {
        await list(openMemory(bytes));
      } catch (error) {
        assert.ok(
          error instanceof FormatError && /^tar\./.test(error.code),
          String(error),
        );
      }
    }
  }
});

test("openTar() ends at once when it is told to, and passes on failures", async () => {
  const source = new ControlledSource(madeTar([
    { name: "big", data: new Uint8Array(1 << 20) },
    { name: "last", data: text("x") },
  ]));
  source.failures = 1;
  await assert.rejects(
    openTar(source),
    (error) => isCoded(error, "read.failed"),
  );
  const tar = await openTar(source);
  const controller = new AbortController();
  const reason = new Error("enough");
  const walk = tar.entries({ signal: controller.signal })
    [Symbol.asyncIterator]();
  assert.equal((await walk.next()).value.name, "big");
  source.hold();
  const next = walk.next();
  while (source.pending === 0) await settle();
  controller.abort(reason);
  await assert.rejects(next, (error) => error === reason);
  assert.equal(source.pending, 0);
  source.release();
  assert.equal(
    (await readExactly(await openTarEntry(source, "last"), 0, 1))[0],
    0x78,
  );
});

blockReaderConformance("openTarEntry()", async (bytes) => {
  const image = archive({ name: "x", data: new Uint8Array(700) }, {
    name: "file",
    data: bytes,
  });
  return { reader: await openTarEntry(image, "file") };
}, {
  async over(source) {
    const head = madeMember({ name: "file", size: source.size });
    return await openTarEntry({
      blockSize: 512,
      size: 512 + source.size,
      name: source.name,
      identity: source.identity,
      read: (offset, into, options) =>
        offset >= 512
          ? source.read(offset - 512, into, options)
          : (into.set(head.subarray(offset, offset + into.length)),
            Promise.resolve(into.length)),
    }, "file");
  },
});

blockReaderConformance("openTarEntry() of a file in parts", async (bytes) => {
  const half = bytes.length >> 1;
  const map = `3\n0\n${half}\n${half}\n${
    bytes.length - half
  }\n${bytes.length}\n0\n`;
  const image = archive(...sparseFile(map, bytes, bytes.length));
  return { reader: await openTarEntry(image, "dir/file") };
});
