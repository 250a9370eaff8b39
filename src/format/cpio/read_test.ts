import assert from "node:assert/strict";
import test from "node:test";
import { type CodedError, isCoded } from "../../errors.ts";
import {
  type CpioEntry,
  gzip,
  lz4FrameEncode,
  lz4LegacyEncode,
  packCpio,
  zstdEncode,
} from "../../wasm/codecs.ts";
import { readCpio } from "./read.ts";

const MAX = { maxSize: 64 << 20 };
const data = (text: string) => new TextEncoder().encode(text);

const ENTRIES: readonly CpioEntry[] = [
  { path: "dev", type: "dir", mode: 0o711 },
  { path: "dev/console", type: "char", major: 5, minor: 1 },
  { path: "dev/ublkb0", type: "block", major: 259, minor: 300000, mode: 0o660 },
  { path: "run/pipe", type: "fifo" },
  { path: "run/socket", type: "socket", mode: 0o777 },
  { path: "init", type: "file", mode: 0o4755, data: data("#!/bin/sh\n") },
  { path: "empty", type: "file", data: data(""), linkGroup: 3 },
  { path: "a", type: "file", data: data("shared"), linkGroup: 7 },
  { path: "bin", type: "symlink", target: "usr/bin" },
  { path: "grüße\udcff", type: "file", data: data("x"), uid: 1000, gid: 7 },
  { path: "b", type: "file", data: data("shared"), linkGroup: 7, mtime: 9 },
];

/** What reading gives back of entries as they were packed. */
function asRead(
  entries: readonly CpioEntry[],
  groups: ReadonlyMap<number, number>,
) {
  const modes = { dir: 0o755, file: 0o644, symlink: 0o777 } as Record<
    string,
    number
  >;
  return entries.map((entry) => {
    const { linkGroup, ...rest } = entry;
    const group = groups.get(linkGroup ?? NaN);
    return {
      mode: modes[entry.type] ?? 0o600,
      uid: 0,
      gid: 0,
      mtime: 0,
      ...rest,
      ...(group === undefined ? {} : { linkGroup: group }),
    };
  });
}

async function read(bytes: Uint8Array) {
  const members = await readCpio(bytes, MAX);
  return members.map(({ offset: _, ...member }) =>
    member.type === "file"
      ? { ...member, data: new Uint8Array(member.data) }
      : member
  );
}

const EXPECTED = asRead(ENTRIES, new Map([[7, 0]]));

/** The code and message of the error. */
async function errorOf(
  bytes: Uint8Array,
  options = MAX as Parameters<typeof readCpio>[1],
): Promise<CodedError> {
  const error = await readCpio(bytes, { name: "x.cpio", ...options }).then(
    () => assert.fail("it was accepted"),
    (error) => error,
  );
  assert.ok(isCoded(error), String(error));
  return error;
}

test("readCpio() gives back what packCpio() was given", async () => {
  assert.deepEqual(await read(await packCpio(ENTRIES)), EXPECTED);
  assert.deepEqual(await readCpio(await packCpio([]), MAX), []);
});

test("readCpio() reads every compression, archives one after the other, zeros between", async () => {
  const one = await packCpio(ENTRIES.slice(0, 1), { padTo: 4 });
  const noise = new Uint8Array(9 << 20);
  for (let i = 0, x = 1; i < noise.length; i++) {
    noise[i] = x >> 16;
    x = (x * 1103515245 + 12345) & 0x7fffffff;
  }
  const large = await packCpio([{ path: "noise", type: "file", data: noise }]);
  const parts = [
    one,
    await gzip(one),
    await zstdEncode(large),
    await lz4FrameEncode(large),
    await lz4LegacyEncode(large, { level: 1 }),
    await lz4LegacyEncode(one),
    one,
  ];
  const size = parts.reduce((sum, part) => sum + part.length + 16, 16);
  const file = new Uint8Array(size);
  let at = 8;
  for (const part of parts) {
    file.set(part, at);
    at = Math.ceil((at + part.length) / 4) * 4 + 4;
  }
  const names = (await readCpio(file, MAX)).map(({ path }) => path);
  assert.deepEqual(names, [
    "dev",
    "dev",
    "noise",
    "noise",
    "noise",
    "dev",
    "dev",
  ]);
  for (const part of parts) {
    assert.equal((await readCpio(part, MAX)).length, 1);
    const direct = new Uint8Array([...part.subarray(0, 1 << 16)]);
    if (direct.length === part.length) continue;
    const error = await errorOf(direct);
    assert.match(error.code, /^cpio\.(damaged-part|truncated)$/);
  }
});

test("readCpio() reads parts that follow each other without a gap", async () => {
  const one = await packCpio(ENTRIES.slice(0, 2), { padTo: 4 });
  for (
    const encode of [gzip, zstdEncode, lz4FrameEncode, lz4LegacyEncode]
  ) {
    const packed = await encode(one);
    const file = new Uint8Array([...packed, ...packed, ...await gzip(one)]);
    assert.equal((await readCpio(file, MAX)).length, 6);
  }
});

test("readCpio() reads two archives in one compressed part", async () => {
  const one = await packCpio(ENTRIES.slice(0, 2));
  const file = await gzip(new Uint8Array([...one, ...one]));
  assert.equal((await readCpio(file, MAX)).length, 4);
});

/** A newc archive of one entry, with chosen numbers. */
function handMade(
  name: string,
  content: string,
  fields: Readonly<Record<string, number>> = {},
  magic = "070701",
): Uint8Array {
  const numbers = {
    ino: 0,
    mode: 0o100644,
    uid: 0,
    gid: 0,
    nlink: 1,
    mtime: 0,
    filesize: content.length,
    maj: 0,
    min: 0,
    rmaj: 0,
    rmin: 0,
    namesize: name.length + 1,
    chksum: 0,
    ...fields,
  };
  const head = magic + Object.values(numbers)
    .map((value) => value.toString(16).padStart(8, "0")).join("");
  const pad = (text: string) => text + "\0".repeat((4 - text.length % 4) % 4);
  return data(pad(pad(`${head}${name}\0`) + content));
}

const TRAILER = handMade("TRAILER!!!", "", { mode: 0 });
const archive = (...parts: Uint8Array[]) =>
  new Uint8Array(parts.flatMap((part) => [...part]));

test("readCpio() normalises names and keeps the root", async () => {
  const names = [".", "./etc", "/a//b/./c/", "...", "x\0\0\0"];
  const file = archive(...names.map((name) => handMade(name, "")), TRAILER);
  const found = (await readCpio(file, MAX)).map(({ path }) => path);
  assert.deepEqual(found, [".", "etc", "a/b/c", "...", "x"]);
});

test("readCpio() takes linked names per archive, data from the last that has any", async () => {
  const links = { ino: 5, nlink: 3 };
  const part = archive(
    handMade("a", "old", links),
    handMade("b", "new!", links),
    handMade("c", "", links),
    handMade("d", "", { ino: 5, nlink: 3, min: 1 }),
    TRAILER,
  );
  const members = await readCpio(archive(part, part), MAX);
  const shown = members.map((member) => [
    member.path,
    member.linkGroup,
    member.type === "file" ? new TextDecoder().decode(member.data) : "",
  ]);
  assert.deepEqual(shown, [
    ["a", 0, "new!"],
    ["b", 0, "new!"],
    ["c", 0, "new!"],
    ["d", undefined, ""],
    ["a", 1, "new!"],
    ["b", 1, "new!"],
    ["c", 1, "new!"],
    ["d", undefined, ""],
  ]);
});

test("readCpio() verifies the sums of crc archives", async () => {
  const good = handMade("a", "abc", { chksum: 294 }, "070702");
  assert.equal((await readCpio(archive(good, TRAILER), MAX)).length, 1);
  const bad = handMade("a", "abc", { chksum: 295 }, "070702");
  const error = await errorOf(archive(good, bad, TRAILER));
  assert.equal(error.code, "cpio.checksum-mismatch");
  assert.equal(
    error.message,
    'Cannot read cpio archive at byte 116 of "x.cpio": the sum of the bytes of "a" is 0x00000126, expected 0x00000127; the archive is damaged',
  );
});

test("readCpio() refuses what is no archive, and says where", async () => {
  const cases: readonly [Uint8Array, string, RegExp][] = [
    [data(""), "cpio.bad-magic", /found nothing, expected an archive/],
    [new Uint8Array(9), "cpio.bad-magic", /found 9 zeros/],
    [
      data("\x7fELF and so on"),
      "cpio.bad-magic",
      /byte 0 of "x\.cpio": found bytes 7f 45 4c 46 20 61, expected "070701" or "070702"/,
    ],
    [data("070707000000"), "cpio.old-format", /old portable format \("odc"\)/],
    [
      Uint8Array.of(0xc7, 0x71, 0, 0, 0, 0),
      "cpio.old-format",
      /old binary format \("bin"\).*cpio -o -H newc/,
    ],
    [
      Uint8Array.of(0x71, 0xc7, 0, 0, 0, 0),
      "cpio.old-format",
      /old binary format/,
    ],
    [data("BZh9"), "cpio.unsupported-compression", /found bzip2 compression/],
    [
      Uint8Array.of(0x5d, 0, 0, 0x80, 0),
      "cpio.unsupported-compression",
      /found lzma/,
    ],
    [data("0707"), "cpio.truncated", /found 4 bytes, expected a header of 110/],
    [
      handMade("a", "abc"),
      "cpio.truncated",
      /"TRAILER!!!"; the archive is cut/,
    ],
    [
      handMade("a", "", { filesize: 0xffffffff }),
      "cpio.truncated",
      /"a" has 4294967295 bytes from byte 112 on, expected at most the 0/,
    ],
    [
      handMade("a", "", { namesize: 0xffffffff }),
      "cpio.bad-header",
      /the name has 4294967295 bytes, expected 2 to 4096/,
    ],
    [handMade("a", "", { namesize: 4000 }), "cpio.truncated", /a name of 4000/],
    [
      archive(handMade("a/../b", ""), TRAILER),
      "cpio.bad-name",
      /the name "a\/\.\.\/b" has "\.\." in it/,
    ],
    [archive(handMade("a\0b", ""), TRAILER), "cpio.bad-name", /zero at byte 1/],
    [
      archive(handMade("a", "", { mode: 0o150000 }), TRAILER),
      "cpio.bad-type",
      /mode 0o150000/,
    ],
    [
      archive(handMade("a", "", { mode: 0o120777 }), TRAILER),
      "cpio.bad-name",
      /the link "a" leads to a name of 0 bytes/,
    ],
    [
      archive(data("\0\0"), handMade("a", "b"), TRAILER),
      "cpio.misaligned",
      /byte 2 of/,
    ],
    [
      archive(handMade("a", "b"), TRAILER, data("junk")),
      "cpio.bad-magic",
      /byte 240 of "x\.cpio": found "junk"/,
    ],
    [
      data("070701zz" + "0".repeat(110)),
      "cpio.bad-header",
      /byte 6 .*found 0x7a in the number "ino"/,
    ],
  ];
  for (const [bytes, code, message] of cases) {
    const error = await errorOf(bytes);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
  }
});

test("readCpio() names the compressed part, and stops at its limit", async () => {
  const bad = archive(handMade("a", "b"), handMade("..", ""), TRAILER);
  const packed = await gzip(bad);
  const inside = await errorOf(archive(new Uint8Array(4), packed));
  assert.match(
    inside.message,
    /at byte 116 of what the gzip part at byte 4 of "x\.cpio" unpacks to/,
  );
  const good = archive(handMade("a", "b".repeat(100)), TRAILER);
  const { length } = good;
  for (const file of [good, await gzip(good), await zstdEncode(good)]) {
    await readCpio(file, { maxSize: length });
    const error = await errorOf(file, { maxSize: length - 1 });
    assert.equal(error.code, "cpio.too-large");
  }
  packed[packed.length - 5]! ^= 1;
  const damaged = await errorOf(packed);
  assert.equal(damaged.code, "cpio.damaged-part");
  assert.ok(isCoded(damaged.cause, "gzip.checksum-mismatch"));
  assert.equal(
    (await errorOf(packed.subarray(0, 30))).code,
    "cpio.damaged-part",
  );
});

test("readCpio() gives a coded error or the entries for every damaged archive", async () => {
  const good = await packCpio(ENTRIES, { padTo: 4 });
  for (let at = 0; at < good.length; at++) {
    const bad = good.slice();
    bad[at]! ^= 1 << at % 8;
    await readCpio(bad, MAX).catch((error) => assert.ok(isCoded(error), error));
    if (at > 0) assert.ok(isCoded(await errorOf(good.subarray(0, at))));
  }
});
